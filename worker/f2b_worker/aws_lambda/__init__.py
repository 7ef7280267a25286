"""The judge as an AWS Lambda function: `f2b_worker.aws_lambda.handler`.

It judges an event of an SQS queue as a worker judges what it receives, on the same intake, and answers which
messages come again. It enforces nothing: that takes one living process, `f2b-worker --enforce-only`.
"""

from f2b_worker.aws_lambda.function import handler

__all__ = ["handler"]
