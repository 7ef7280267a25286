"""The ledger, the lease and the notebook in one DynamoDB table."""
