"""Lets `python -m benchmarks.producer` run."""

from __future__ import annotations

from benchmarks.producer.bench import main

main()
