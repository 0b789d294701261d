"""The busyhour command: it parses options and prints; what it does stands elsewhere."""

from simulator.cli.app import app, main

__all__ = ["app", "main"]
