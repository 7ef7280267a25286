"""One numbered log for the whole table: who changed bans writes them under the next number, and all others follow.

    pk                     sk          what
    log                    seq         the counter: `n` and the `epoch`
    log                    snapshot    which parts make everything up to the number `upto`
    log#<epoch>#<number>   log         changes of bans, or `void`; written once, if nothing is there
    part#<id>#<place>      part        a part of a snapshot

A number is taken from the counter and then written. Whoever dies between leaves a hole, which the scribe voids
under the same condition; a taker that comes too late is refused, and takes another number. So a reader needs no
clock: it knows which numbers there must be, reads those that it has not, and its cursor is the number up to which
nothing is missing. An acknowledged entry is above a reader's cursor, or that reader has read it.
"""
