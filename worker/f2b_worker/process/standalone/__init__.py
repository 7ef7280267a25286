"""Standalone mode: HTTP in, WAF IP sets out, and one file in between."""
