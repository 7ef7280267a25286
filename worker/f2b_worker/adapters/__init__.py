"""The only packages that know AWS: each adapter is one port of `f2b_worker.ports` on one service."""
