"""Settings of AWS's that are wrong for every process that calls AWS, each by its variable."""

from __future__ import annotations

OF_THE_METADATA_SERVICE = {"AWS_METADATA_SERVICE_TIMEOUT": "abc", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "abc"}
"""They are read by who has no keys."""

WRONG = {
    **OF_THE_METADATA_SERVICE,
    "AWS_CA_BUNDLE": "/there/is/none.pem",
    "AWS_PROFILE": "nobody",
    "AWS_DEFAULTS_MODE": "odd",
    "AWS_DEFAULT_REGION": "us east",
    "AWS_USE_FIPS_ENDPOINT": "ture",
}
