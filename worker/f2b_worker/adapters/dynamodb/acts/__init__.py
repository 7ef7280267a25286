"""What people do by hand to the bans in the ledger's table: each act with its audit, and told in the log."""
