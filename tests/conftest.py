"""What every test relies on."""

import signal

from hypothesis import settings

# The suite tries the same examples every time, so that whether it passes is the change's doing
# alone. ``make soak`` draws others each time.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.register_profile("drawn", derandomize=False, deadline=None)
settings.load_profile("seeded")


def pytest_configure() -> None:
    """Programs the tests start must hear Ctrl-C, wherever the suite itself was started.

    A shell starts what it puts in the background with SIGINT ignored, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
