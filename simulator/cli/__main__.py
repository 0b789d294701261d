"""`python -m simulator.cli` is the busyhour command."""

from simulator.cli import main

if __name__ == "__main__":
    main()
