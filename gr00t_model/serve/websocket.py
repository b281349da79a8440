"""openpi's websocket protocol: metadata when a client comes, then an answer for each observation.

An error is a text, which openpi's client raises; the connection stays, so that the next observation is answered.
"""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gr00t_model.serve.desk import Desk, Refusal
from gr00t_model.serve.http import peer_of, token_of
from gr00t_model.serve.opening import described
from gr00t_model.serve.wire import openpi
from gr00t_model.serve.wire.call import WireError

_UNAUTHORIZED = 1008
"""Close code: a policy is violated (RFC 6455)."""


def websocket_app(desk: Desk) -> Starlette:
    """The application of a desk."""

    async def talk(socket: WebSocket) -> None:
        await _talk(desk, socket)

    return Starlette(routes=[WebSocketRoute("/", talk), Route("/healthz", _healthz)])


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("OK\n")


async def _talk(desk: Desk, socket: WebSocket) -> None:
    token = token_of(socket.headers.get("authorization", ""))
    try:
        desk.require(token)
    except Refusal as refusal:
        await socket.close(_UNAUTHORIZED, str(refusal))
        return
    await socket.accept()
    try:
        await socket.send_bytes(openpi.metadata(described(desk.actor)))
        while True:
            await _answer(desk, socket, token)
    except WebSocketDisconnect:
        return  # the client is gone


async def _answer(desk: Desk, socket: WebSocket, token: str) -> None:
    frame = await socket.receive()
    if frame["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(frame.get("code", 1000))
    message = frame.get("bytes") or b""
    try:
        desk.require_size(len(message))
        call = openpi.read(message, desk.limits, instruction=desk.actor.selection.language)
        answer = await asyncio.wrap_future(desk.ask(call, peer_of(socket.client), token))
        await socket.send_bytes(openpi.reply(call, answer))
    except WireError as error:
        await socket.send_text(str(desk.refuse("refused", str(error))))
    except Refusal as refusal:
        await socket.send_text(str(refusal))
