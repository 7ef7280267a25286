"""One worker process: its parts put together, its signals, its stop; several under one parent; standalone mode."""
