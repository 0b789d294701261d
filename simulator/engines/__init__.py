"""Engines play a trace against something that admits and counts calls; they say what it did."""


class Inconclusive(Exception):
    """The run cannot be judged: the service was out of reach, in use, or set up differently.

    The message is one line that says what was found and what would be right.
    """
