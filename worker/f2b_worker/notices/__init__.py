"""Tells people what happens, from a process beside the worker's own: it delays no ban, whatever a target does.

The news come from the ban log, so nothing waits in memory: each target has its own thread, and its own place in
the log. One process of a fleet does it, which holds the lease `notices`.
"""
