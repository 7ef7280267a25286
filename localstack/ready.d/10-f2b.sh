#!/bin/sh
# Run by LocalStack when it is ready: the queue, and where a message goes after five failed tries.
set -eu

region="${AWS_DEFAULT_REGION:-us-east-1}"

awslocal --region "$region" sqs create-queue --queue-name f2b-dead
dead_url=$(awslocal --region "$region" sqs get-queue-url --queue-name f2b-dead --query QueueUrl --output text)
dead_arn=$(awslocal --region "$region" sqs get-queue-attributes --queue-url "$dead_url" \
  --attribute-names QueueArn --query Attributes.QueueArn --output text)

# A JSON document inside a JSON document, hence the quotes.
attributes=$(printf '{"RedrivePolicy": "{\\"deadLetterTargetArn\\": \\"%s\\", \\"maxReceiveCount\\": \\"5\\"}"}' "$dead_arn")
awslocal --region "$region" sqs create-queue --queue-name f2b --attributes "$attributes"
