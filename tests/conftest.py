"""What every test relies on."""

import signal


def pytest_configure() -> None:
    """Programs the tests start must hear Ctrl-C, wherever the suite itself was started.

    A shell starts what it puts in the background with SIGINT ignored, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
