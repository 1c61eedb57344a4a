"""`python -m plectrum.cli` is the `plectrum` command."""

import sys

from plectrum.cli import main

sys.argv[0] = "plectrum"  # what a run's record calls the command, however it was begun
main()
