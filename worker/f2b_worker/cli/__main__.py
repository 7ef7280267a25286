"""`python -m f2b_worker.cli` is `f2b`."""

from f2b_worker.cli import main_of_operator

main_of_operator()
