"""Entry point of ``python -m mesomode``."""

from mesomode.cli import main

if __name__ == "__main__":
    main()
