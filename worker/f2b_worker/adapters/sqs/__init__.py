"""The queue: as the intake receives from it, and as the shim and standalone mode send to it."""
