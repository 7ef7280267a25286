"""Prints the JSON Schema of the wire format."""

from __future__ import annotations

import json
import sys

from f2b_worker.wire import schema

if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
