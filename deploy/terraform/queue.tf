locals {
  # These allow nothing to anybody: roles of this account have their policies. They are put into the queues as they are
  # made, not by aws_sqs_queue_policy: SQS may take a minute to heed what is set later.
  only_by_tls = {
    for name in [var.name, "${var.name}-dead"] : name => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "OnlyByTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = "arn:${local.partition}:sqs:${local.region}:${local.account}:${name}"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }]
    })
  }
}

resource "aws_sqs_queue" "dead_letters" {
  name                       = "${var.name}-dead"
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  policy                     = local.only_by_tls["${var.name}-dead"]

  # To make a queue that is there already is no error: SQS answers the one of whoever has this name, and a destroy would
  # delete it. To make such a table is one. So the table goes first.
  depends_on = [aws_dynamodb_table.table]
}

resource "aws_sqs_queue" "queue" {
  name                       = var.name
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  policy                     = local.only_by_tls[var.name]

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    # A worker holds on to what it received through an outage, so only what kills workers comes back so often.
    maxReceiveCount = 20
  })
}
