"""Lets `python -m benchmarks.shim` run."""

from __future__ import annotations

from benchmarks.shim.bench import main

main()
