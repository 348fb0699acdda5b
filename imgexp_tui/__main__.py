"""`python -m imgexp_tui`: the same as the `imgexp-tui` command."""

import sys

from imgexp_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())
