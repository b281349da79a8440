"""HTTP as published: POST /act, GET /health; and GET /metrics. What is wrong with a request is said with its status."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.datastructures import Address
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gr00t_model.serve.desk import Desk, Outcome, Peer, Refusal
from gr00t_model.serve.ports import is_near
from gr00t_model.serve.wire import http as encoding
from gr00t_model.serve.wire.call import WireError

STATUS: dict[Outcome, int] = {
    "refused": 400,
    "unauthorized": 401,
    "unknown": 404,
    "large": 413,
    "failed": 500,
    "busy": 503,
    "late": 504,
}
_JSON = "application/json"
_METRICS_TYPE = "text/plain; version=0.0.4"


def http_app(desk: Desk) -> Starlette:
    """The application of a desk."""
    routes = [
        Route("/act", _answering(desk, _act), methods=["POST"]),
        Route("/health", _health),
        Route("/metrics", _answering(desk, _metrics)),
    ]
    return Starlette(routes=routes)


Handler = Callable[[Desk, Request], Awaitable[Response]]


def _answering(desk: Desk, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler, its refusals as HTTP says them; only for who brings the token, where there is one."""

    async def answered(request: Request) -> Response:
        try:
            desk.require(token_of(request.headers.get("authorization", "")))
            return await handler(desk, request)
        except Refusal as refusal:
            return Response(encoding.error(str(refusal)), STATUS[refusal.outcome], media_type=_JSON)
        except ClientDisconnect:
            return Response(status_code=STATUS["refused"])  # nobody reads it

    return answered


def token_of(authorization: str) -> str:
    """The token of a header ``Authorization: Bearer TOKEN``, or ``Api-Key TOKEN`` as openpi sends it."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "api-key") else ""


async def _act(desk: Desk, request: Request) -> Response:
    try:
        body = await asyncio.wait_for(_body(desk, request), desk.settings.longest_s)
        call = encoding.read(body, desk.limits)
    except WireError as error:
        raise desk.refuse("refused", str(error)) from error
    except TimeoutError as error:
        raise desk.refuse("late", f"the body took over {desk.settings.longest_s:g} s to come") from error
    token = token_of(request.headers.get("authorization", ""))
    answer = await asyncio.wrap_future(desk.ask(call, peer_of(request.client), token))
    return Response(encoding.reply(call, answer), media_type=_JSON)


async def _body(desk: Desk, request: Request) -> bytes:
    """The body; one that is too large is not kept, nor read where a header says it is far too large."""
    dropped = desk.settings.dropped_bytes
    promised = request.headers.get("content-length", "0")
    if promised.isdecimal() and int(promised) > dropped:
        desk.require_size(int(promised))
    kept, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= desk.settings.largest_bytes:
            kept += chunk
        if size > dropped:
            break
    desk.require_size(size)
    return bytes(kept)


def peer_of(client: Address | None) -> Peer:
    """A connection, as starlette tells it."""
    return Peer("", False) if client is None else Peer(f"{client.host}:{client.port}", is_near(client.host))


async def _health(request: Request) -> Response:
    return Response(encoding.HEALTHY, media_type=_JSON)


async def _metrics(desk: Desk, request: Request) -> Response:
    return PlainTextResponse(desk.metrics.text(desk.queue, desk.actor.session), media_type=_METRICS_TYPE)
