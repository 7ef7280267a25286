"""Several worker processes under one parent, which restarts who dies, and ends when one cannot live.

Each child tells once a second how it does; so the parent answers for all of them, and adds up what they count.
"""

from f2b_worker.process.pool.parent import run_pool

__all__ = ["run_pool"]
