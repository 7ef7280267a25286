"""The loop that makes the IP sets equal to the active bans.

Level-triggered: what has to be written follows from what the ledger says and what the sets hold, so a lost update
is only late. One process at a time enforces, by lease; WAF's lock token is the real fence. Stopping removes
nothing; starting writes only what differs.
"""

from f2b_worker.enforcer.adoption import ADOPTED_JAIL, LedgerAdopter
from f2b_worker.enforcer.following import FOLLOW_S
from f2b_worker.enforcer.loop import Enforcer
from f2b_worker.enforcer.pace import UPDATE_EVERY_S
from f2b_worker.enforcer.search import FIND_S
from f2b_worker.enforcer.sets import AUDIT_S

__all__ = [
    "ADOPTED_JAIL",
    "AUDIT_S",
    "FIND_S",
    "FOLLOW_S",
    "UPDATE_EVERY_S",
    "Enforcer",
    "LedgerAdopter",
]
