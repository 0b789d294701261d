"""Where the state of the calls is kept: one protocol, and a backend a file."""
