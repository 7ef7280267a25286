"""The process beside a worker that tells people: `python -m f2b_worker.notices`, started by the worker."""

from __future__ import annotations

from f2b_worker.notices.process import main

if __name__ == "__main__":
    main()
