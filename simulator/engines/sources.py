"""Where the http engine finds a service: it starts one, is given one, or has one in process."""

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

from simulator.engines.asgi import AsgiApp, AsgiTransport
from simulator.engines.service_process import ServiceProcess, Tokens, service_settings
from simulator.engines.target import Target
from simulator.trace import CallTrace

TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
"""For one request. A batch is answered well within a second; this is for a machine in trouble."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service a run may use. Call ids of the run begin with ``prefix``.

    ``may_change`` allows to set up its tenants and limits. ``last_words`` gives what it logged
    last, to put behind a message, where that can be seen.
    """

    target: Target
    prefix: str
    may_change: bool
    last_words: Callable[[], str] = str


class ServiceSource(Protocol):
    """Gives a service for a trace. What must be undone afterwards goes on the stack."""

    @property
    def target_url(self) -> str | None:
        """The address of a service that was there before the run, or None."""
        ...

    def launch(self, trace: CallTrace, stack: ExitStack) -> Callable[[], Service]:
        """Begin to start what is needed; the result waits until it is there.

        Both raise :class:`simulator.engines.Inconclusive`.
        """
        ...


class OwnService:
    """A service process started for the run, with an empty database in memory."""

    target_url: str | None = None

    def launch(self, trace: CallTrace, stack: ExitStack) -> Callable[[], Service]:
        tokens = Tokens()
        process = stack.enter_context(ServiceProcess(service_settings(trace), tokens))

        def ready() -> Service:
            client = stack.enter_context(
                httpx.Client(base_url=process.wait_until_ready(), timeout=TIMEOUT, trust_env=False)
            )
            return Service(Target(client, tokens.admin, tokens.call), "c", True, process.last_words)

        return ready


class GivenService:
    """A service somebody else runs. It is set up only with ``configure``."""

    def __init__(
        self, url: str, admin_token: str, call_token: str, *, configure: bool = False
    ) -> None:
        self.target_url: str | None = url
        self._url = url.rstrip("/")
        self._admin_token = admin_token
        self._call_token = call_token
        self._configure = configure

    def launch(self, _trace: CallTrace, stack: ExitStack) -> Callable[[], Service]:
        def ready() -> Service:
            client = stack.enter_context(httpx.Client(base_url=self._url, timeout=TIMEOUT))
            target = Target(client, self._admin_token, self._call_token)
            return Service(target, f"r{secrets.token_hex(6)}-", self._configure)

        return ready


MakeApp = Callable[[dict[str, str], Tokens], AsgiApp]


class AppService:
    """An application in this process, made for the run: real HTTP documents, no sockets.

    ``make_app`` gets the settings of :func:`service_settings` and the tokens; by default it is the
    service itself.
    """

    target_url: str | None = None

    def __init__(self, make_app: MakeApp | None = None) -> None:
        self._make_app = make_app or service_app

    def launch(self, trace: CallTrace, stack: ExitStack) -> Callable[[], Service]:
        tokens = Tokens()
        app = self._make_app(service_settings(trace), tokens)

        def ready() -> Service:
            # Entering the client enters its transport, and so the application's lifespan.
            client = stack.enter_context(
                httpx.Client(
                    base_url="http://service", transport=AsgiTransport(app), timeout=TIMEOUT
                )
            )
            return Service(Target(client, tokens.admin, tokens.call), "c", True)

        return ready


def service_app(settings: dict[str, str], tokens: Tokens) -> AsgiApp:
    """The service as an application; these settings come before those of the environment."""
    from service.app import create_app
    from service.settings import Settings

    values: dict[str, Any] = {"admin_token": tokens.admin, "call_token": tokens.call, **settings}
    return create_app(Settings(**values, _env_file=None))
