"""Runs the command line as `python -m crannog.engine.cli`."""

import sys

from crannog.engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
