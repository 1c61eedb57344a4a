"""The command line (floor 7): one file per command; each parses, calls and prints.

Data go to standard output, messages and progress to standard error. Exit 0 done, 1 the data or a file is at
fault, 2 the command line is, 130 stopped by the user. A new command is one file and one line in `_app.py`.
"""

from plectrum.cli._app import main as main

__all__ = ["main"]
