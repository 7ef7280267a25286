"""A certificate for 127.0.0.1 that signs itself, and how clients are told to trust it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.debian import program

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Files in *folder*: `cert.pem`, `key.pem`, and `both.pem` with both."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What has clients trust it: those with OpenSSL, curl, requests, Node, and our Client.java."""
        cert = str(self.folder / "cert.pem")
        by_name = dict.fromkeys(
            ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), cert
        )
        return {**by_name, "TRUSTED_STORE": str(self.folder / "trusted.p12")}


def made(folder: Path) -> Certificate:
    """Make one."""
    folder.mkdir()
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    _run(program("openssl"), *command, "-keyout", str(key), "-out", str(cert))
    (folder / "both.pem").write_text(cert.read_text() + key.read_text())
    store = ("-keystore", str(folder / "trusted.p12"), "-storepass", "changeit")
    _run(program("keytool"), "-importcert", "-noprompt", "-alias", "f2b", "-file", str(cert), *store)
    return Certificate(folder)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
