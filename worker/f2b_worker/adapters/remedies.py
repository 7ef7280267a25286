"""What tells that a stored item cannot be read, what follows from it for each kind, and what to do about it."""

from __future__ import annotations

from f2b_worker.errors import Unreadable

MISSHAPEN = (LookupError, TypeError, ValueError, AttributeError)
"""What Python raises on the way through a stored item that is not what it should be."""

REMEDIES = {
    "ban": "what IP sets hold of this ban stays there; correct the attribute, or delete the item to lift the ban",
    "offender": "its infractions go to the dead-letter queue; correct the attribute or delete the item, then move"
    " them back",
    "history": "this earlier ban is left out; correct the attribute or delete the item",
    "foreign": "nothing that the IP set held when this was found is taken out of it; delete the item, and what is"
    " left of ended bans goes",
    "networks": "a collapsed network that no ban explains counts as somebody else's; delete the item",
    "surge": "new bans are counted anew; look at the bans, then run `f2b release`",
    "swept": "it is written anew within five minutes; delete the item if it is not",
    "sets": "commands ask WAF for the IP sets meanwhile; it is written anew within half a minute",
    "log": "its changes are skipped; run `f2b repair`, which writes log and snapshot anew from the bans",
    "part": "its changes are skipped; run `f2b repair`, which writes log and snapshot anew from the bans",
    "snapshot": "nobody can start from it; run `f2b repair`, which writes it anew from the bans",
    "act": "it is left out of what is shown; delete the item",
    "allow": "its network, if that can be read, stays allowed without an end; add it again, or delete the item",
    "control": "it holds nobody; give the order again, or delete the item",
    "tally": "its numbers are missing in the charts; delete the item",
    "notices": "the target hears of what happens from now on; it is written anew at once",
    "lease": "a worker takes the lease over after eight seconds, and writes the item anew",
}
"""By kind of item, as the metric and the log name it, what follows from it and what to do."""


def unreadable_item(kind: str, name: str, attribute: str) -> Unreadable:
    """Make the error about one item, which is named as its store names it."""
    return Unreadable(kind, name, attribute, REMEDIES[kind])
