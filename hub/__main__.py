"""`python -m hub` and the console script `tocsin`."""

from hub.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
