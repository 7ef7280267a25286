"""Queues by the URLs that AWS gives them, with the Region of each: for all that reads a Region out of one."""

_OF_A_QUEUE = "/123456789012/f2b"

QUEUE_URLS: dict[str, str | None] = {
    f"{endpoint}{_OF_A_QUEUE}": region
    for endpoint, region in {
        "https://sqs.eu-west-1.amazonaws.com": "eu-west-1",
        "https://sqs-fips.us-east-2.amazonaws.com": "us-east-2",
        "https://sqs-fips.us-gov-west-1.amazonaws.com": "us-gov-west-1",
        "https://sqs.ap-southeast-7.api.aws": "ap-southeast-7",
        "https://sqs-fips.ca-central-1.api.aws": "ca-central-1",
        "https://vpce-0a1b2c3d4e5f67890-abcdefgh.sqs.eu-central-1.vpce.amazonaws.com": "eu-central-1",
        "https://vpce-0a1b2c3d4e5f67890-abcdefgh-us-east-1a.sqs.us-east-1.vpce.amazonaws.com": "us-east-1",
        "https://vpce-0a1b2c3d4e5f67890-abcdefgh.sqs-fips.us-west-2.vpce.amazonaws.com": "us-west-2",
        "https://vpce-0a1b2c3d4e5f67890-abcdefgh.sqs.cn-north-1.vpce.amazonaws.com.cn": "cn-north-1",
        "https://sqs.cn-north-1.amazonaws.com.cn": "cn-north-1",
        "https://sqs.cn-northwest-1.api.amazonwebservices.com.cn": "cn-northwest-1",
        "https://sqs.eusc-de-east-1.amazonaws.eu": "eusc-de-east-1",
        "https://sqs.eusc-de-east-1.api.amazonwebservices.eu": "eusc-de-east-1",
        "https://sqs.us-iso-east-1.c2s.ic.gov": "us-iso-east-1",
        "https://queue.amazonaws.com": "us-east-1",
        "https://eu-west-1.queue.amazonaws.com": "eu-west-1",
        "http://localhost:4566": None,
        "http://127.0.0.1:4566": None,
        "http://sqs.us-east-1.localhost.localstack.cloud:4566": "us-east-1",
        "https://queue.example.com": None,
        "https://sqs.example.com": None,
        "https://elasticmq.eu-west-1.example.com": None,
    }.items()
}
