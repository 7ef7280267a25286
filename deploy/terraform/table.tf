# The ledger: who was seen, who is banned, and until when. There is no index: since format 2 of the table, bans are
# followed by a log of their own (docs/table.md).

resource "aws_dynamodb_table" "table" {
  #checkov:skip=CKV_AWS_119:It is encrypted by a key of DynamoDB. One of yours costs by the call; docs/iam/kms.json is for it.
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }
}
