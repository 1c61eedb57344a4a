"""`python -m plectrum.cli` is the `plectrum` command."""

from plectrum.cli import main

main()
