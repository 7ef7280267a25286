"""Lets `python -m benchmarks.enforcer` run."""

from __future__ import annotations

from benchmarks.enforcer.bench import main

main()
