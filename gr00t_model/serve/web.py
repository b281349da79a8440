"""HTTP and websockets: one thread with an event loop, on ports that were taken before."""

import asyncio
import socket
import threading
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette

_GRACE_S = 1
_PING_S = 20.0
"""Between heartbeats of a websocket; a client that does not answer one in that time is gone."""
_HEADERS_BYTES = 65_536

Site = tuple[Starlette, socket.socket]


class Web:
    """Serves applications, each on a socket that listens, until ``stop``."""

    def __init__(self, sites: Sequence[Site], dropped_bytes: int) -> None:
        """``dropped_bytes``: of a message of a websocket that ends its connection; HTTP bounds what it reads itself."""
        self._sockets = [listening for _, listening in sites]
        self._servers = [uvicorn.Server(_config(app, dropped_bytes)) for app, _ in sites]
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        if self._servers:
            self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        pairs = zip(self._servers, self._sockets, strict=True)
        await asyncio.gather(*(server.serve(sockets=[listening]) for server, listening in pairs))

    @property
    def alive(self) -> bool:
        """Whether it answers, or has nothing to."""
        return not self._servers or self._thread.is_alive()

    def stop(self) -> None:
        """End it, also while an answer is awaited; returns when it is over."""
        for server in self._servers:
            server.should_exit = True
        if self._servers and self._thread.is_alive():
            self._thread.join(_GRACE_S)
        for listening in self._sockets:
            listening.close()


def _config(app: Starlette, dropped_bytes: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEADERS_BYTES,
        timeout_graceful_shutdown=_GRACE_S,
        ws_max_size=dropped_bytes,
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        ws_per_message_deflate=False,
    )
