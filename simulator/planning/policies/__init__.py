"""Sharing policies of one group of slots, compared on the very same calls."""
