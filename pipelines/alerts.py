"""Alerts: one short message to a webhook. A webhook that is slow, broken or gone never stops the work."""

import http.client
import json
import logging
import os
import threading
import urllib.request
from collections.abc import Mapping
from typing import Any

URL_VARIABLE = "GR00T_ALERT_URL"
"""Where alerts go, an http(s) URL. It may hold a secret, so it is never written anywhere."""

TIMEOUT_S = 3.0

_LOG = logging.getLogger(__name__)


def alert(message: str, facts: Mapping[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> str:
    """Write a message to the log, and post it as JSON to the webhook of the environment if there is one.

    The body has ``text`` (the message), as chat services expect, and the facts.

    Returns:
        what became of it, after at most ``timeout_s`` seconds: ``logged``, ``sent``, or why it was not sent.
    """
    _LOG.error("%s", message)
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        return "logged"
    if not url.startswith(("http://", "https://")):
        return f"not sent: {URL_VARIABLE} is not an http(s) URL"
    outcome: list[str] = []
    body = json.dumps({**(facts or {}), "text": message}, default=str).encode()
    sender = threading.Thread(target=_post, args=(url, body, timeout_s, outcome), name="alert", daemon=True)
    sender.start()
    sender.join(timeout_s)  # the socket's own limit holds for each packet, this one for all of them
    return outcome[0] if outcome else f"not sent: the webhook did not answer within {timeout_s:g} s"


def _post(url: str, body: bytes, timeout_s: float, outcome: list[str]) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - the scheme was checked
            outcome.append(f"sent: the webhook answered {answer.status}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "code", None) or type(error).__name__
        outcome.append(f"not sent: {reason}")  # the error's own text may hold the URL
