"""``python -m tests.chaos``."""

from __future__ import annotations

import sys

from tests.chaos.running import main

if __name__ == "__main__":
    sys.exit(main())
