"""What became of a request, told from its answer or from the error in its place: one table.

An outcome is definite when it is known whether the service did what it was asked: ``ok``,
``refused`` (the service said no and changed nothing), ``failed`` (the request never reached it).
Everything else is ``indefinite``: it may have happened, or happen later, or never.
"""

import asyncio
import ssl
from typing import Final

import aiohttp

from simulator.history import Result
from simulator.live.wire import ConnectionGone, NoHttp, NotConnected

ERRORS: Final[tuple[tuple[type[BaseException], Result, str], ...]] = (
    (NotConnected, "failed", "no connection could be made"),
    (ConnectionGone, "indefinite", "the connection was closed without a whole answer"),
    (NoHttp, "indefinite", "the answer is not HTTP"),
    (aiohttp.ClientConnectorError, "failed", "no connection could be made"),
    (aiohttp.ConnectionTimeoutError, "failed", "no connection was made in time"),
    (ssl.SSLCertVerificationError, "failed", "the certificate is not trusted"),
    (aiohttp.InvalidURL, "failed", "the address is no URL"),
    (ConnectionRefusedError, "failed", "nobody listens at the address"),
    (asyncio.TimeoutError, "indefinite", "no answer in time"),
    (aiohttp.ServerDisconnectedError, "indefinite", "the connection was closed without an answer"),
    (aiohttp.ClientPayloadError, "indefinite", "the answer was cut off"),
    (aiohttp.ClientResponseError, "indefinite", "the answer is not HTTP"),
    (aiohttp.ClientError, "indefinite", "the connection was lost"),
    (OSError, "indefinite", "the connection was lost"),
    (asyncio.CancelledError, "indefinite", "given up while it was under way"),
)
"""Errors in the place of an answer; of several that fit the first one counts.

Only what goes wrong before the request is written is definite. An error that is not in the table
is indefinite too.
"""

REFUSED_WITH_503: Final = frozenset({"call_memory_full", "database_unavailable"})
"""Codes of problems with status 503 that say that nothing changed."""

_REQUEST_TIMEOUT: Final = 408


def result_of_error(error: BaseException) -> tuple[Result, str]:
    """What became of a request that ended in ``error``, and that in words."""
    for kind, result, words in ERRORS:
        if isinstance(error, kind):
            return result, words
    return "indefinite", f"{type(error).__name__}: {error}"


def result_of_status(status: int, code: str | None) -> Result:
    """What became of a request answered with ``status`` and a problem's ``code``.

    200 is ``ok``. Redirections and 4xx are refusals, but for 408, with which a proxy may give up
    on a service that is still at work. 5xx are indefinite, but for a 503 whose code says that
    nothing changed. Another 2xx is no answer this interface gives, so it tells nothing.
    """
    if status == 200:
        return "ok"
    if status == _REQUEST_TIMEOUT:
        return "indefinite"
    if 300 <= status < 500:
        return "refused"
    return "refused" if status == 503 and code in REFUSED_WITH_503 else "indefinite"
