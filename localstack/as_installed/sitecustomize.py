"""Hides from a child process what only tools of our tests brought: Python runs this module before all else.

structlog imports rich, twisted and greenlet where they are there, and botocore pyOpenSSL. f2b brings none of them.
Here schemathesis and servers brought them, and they took a fifth of the CPU that a worker's imports cost.
"""

import sys

sys.modules.update(dict.fromkeys(("OpenSSL", "greenlet", "rich", "twisted")))  # type: ignore[arg-type] # not there
