"""The web server of Dagster with a guard in front: a page of another site can neither read it nor start anything in it.

Dagster's own answers whoever asks, and a browser asks for every page that it shows: a foreign page may send a mutation
as the address of a picture, and a foreign name that leads to 127.0.0.1 may read the answers. `dagster dev`, `dg dev`
and `dagster-webserver` in a shell that sourced env.sh start here (see pipelines/bin).
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS_VARIABLE = "GR00T_UI_HOSTS"
"""Further names, separated by commas, under which people reach the server: those of a reverse proxy."""
_POLICY_VIOLATION = 1008
"""How a web socket is closed whose request is against the rules (RFC 6455, section 7.4.1)."""


def refusal(scope: Scope, proxies: Sequence[str] = ()) -> str:
    """Why a request is refused, in one sentence; an empty text lets it pass.

    The host must be an address (no foreign name leads to it unseen), this machine or one of ``proxies``; a request that
    says where it comes from must come from there, too, unless it is a visit to a page. Queries travel by POST, where
    every browser says where they come from.
    """
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not _is_address(_name(host)) and _name(host) not in ("localhost", socket.gethostname().lower(), *proxies):
        return f"this server is not known as {host!r}; name it in {HOSTS_VARIABLE} if it should be"
    method, address = scope.get("method", "GET"), str(scope["path"]).rstrip("/")
    if scope["type"] == "http" and address.endswith("/graphql") and method != "POST" and scope.get("query_string"):
        return "queries are taken by POST only"
    origin = headers.get("origin")
    place = "" if origin is None else origin.partition("://")[2]
    if origin is not None and place != host and _name(place) not in proxies:
        return f"requests from {origin!r} are not taken"
    visit = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not visit:
        return "requests from pages of another site are not taken"
    return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """``[::1]:3000`` -> ``::1``; an empty text for what is no host."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class SameOrigin:
    """ASGI middleware that answers 403 to what ``refusal`` names."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.proxies = os.environ.get(HOSTS_VARIABLE, "").lower().replace(",", " ").split()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        reason = refusal(scope, self.proxies) if scope["type"] in ("http", "websocket") else ""
        if not reason:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(f"refused: {reason}\n", status_code=403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason})


def guard_server() -> None:
    """Put the guard before all else in the web server of this process."""
    from dagster_webserver.webserver import DagsterWebserver

    own = DagsterWebserver.build_middleware

    def build_middleware(server: Any) -> list[Middleware]:
        return [Middleware(SameOrigin), *own(server)]

    DagsterWebserver.build_middleware = build_middleware  # pyright: ignore[reportAttributeAccessIssue]


def guard_started_server() -> None:
    """Let `dagster dev` of this process start the guarded web server: it starts another process and asks nobody which.

    Raises:
        RuntimeError: this release of Dagster starts it in another way.
    """
    from dagster._cli import dev

    own, plain = dev.open_ipc_subprocess, ["-m", "dagster_webserver"]  # pyright: ignore[reportPrivateImportUsage]

    def start(parts: Sequence[str], **rest: Any) -> Any:
        if list(parts[1:3]) == plain:
            parts = [parts[0], "-m", __spec__.name, "dagster-webserver", *parts[3:]]
        elif any("webserver" in part for part in parts[:3]):
            raise RuntimeError(f"this Dagster starts its web server by {parts[:3]}, which cannot be guarded")
        return own(parts, **rest)

    dev.open_ipc_subprocess = start  # pyright: ignore[reportPrivateImportUsage]


def main() -> None:
    """``python -m pipelines.web PROGRAM ARGUMENT...``: a program of Dagster's with the guard in place."""
    program = sys.argv[1]
    (guard_server if program == "dagster-webserver" else guard_started_server)()
    sys.argv = sys.argv[1:]
    (entry,) = entry_points(group="console_scripts", name=program)
    entry.load()()


if __name__ == "__main__":
    main()
