"""The decisions of f2b: pure functions of what is known, with no I/O and no clock of their own."""
