"""The ledger, the queue and the notebook of standalone mode in one file."""
