"""The peer of the fast lane: the same call events as plain FastAPI routes with Pydantic models.

Token, admission core and documents are those of the service. It has no request ids and measures no
latency, which makes it a little quicker than the service's own routes.
"""

import argparse
import hmac
import socket
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from service.calls import Lookup, Outcome, Reason, Scope
from service.clock import SystemClock
from service.state.base import Answer, Decision, TenantPolicy
from service.state.memory import MemoryCore, MemoryState


class Offer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    call_id: Annotated[str, Field(min_length=1, max_length=200)]
    tenant_id: Annotated[str, Field(min_length=1, max_length=200)]
    accept: bool = False


class End(BaseModel):
    model_config = ConfigDict(extra="forbid")

    outcome: Outcome = Outcome.COMPLETED


class EventAnswer(BaseModel):
    decision: Decision | None
    reason: Reason | None
    scopes: list[Scope]
    fallback: bool


def application() -> FastAPI:
    state = MemoryState(MemoryCore(1000, tenants={"acme": TenantPolicy()}))
    clock = SystemClock()

    def require_token(x_call_token: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(x_call_token.encode(), b"bench"):
            raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(require_token)])

    def told(answer: Answer) -> EventAnswer:
        if answer.refusal is not None:
            raise HTTPException(409, answer.refusal)
        return EventAnswer(
            decision=answer.decision,
            reason=answer.reason,
            scopes=list(answer.scopes),
            fallback=answer.fallback,
        )

    @app.post("/api/v1/calls")
    async def offer(body: Offer) -> EventAnswer:
        answer = await state.offer(body.call_id, body.tenant_id, clock.now_us())
        if body.accept and answer.decision is Decision.ADMITTED:
            answer = await state.accept(body.call_id, Lookup.FOUND, clock.now_us())
        return told(answer)

    @app.post("/api/v1/calls/{call_id}/start")
    async def start(call_id: str) -> EventAnswer:
        return told(await state.start(call_id, clock.now_us()))

    @app.post("/api/v1/calls/{call_id}/end")
    async def end(call_id: str, body: End) -> EventAnswer:
        return told(await state.end(call_id, body.outcome, clock.now_us()))

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    listener = socket.create_server(("127.0.0.1", parser.parse_args().port))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(application(), access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
