"""``python -m fascicle``: the same as the command ``fascicle``."""

from __future__ import annotations

from fascicle.cli import main

if __name__ == "__main__":
    main()
