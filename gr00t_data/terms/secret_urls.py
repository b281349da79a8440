"""URLs that hold secrets, as they may be shown: no user, password, query or fragment, whatever signs are in them."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
"""A link of a chain (``simplecache::s3://...``) that is a protocol and nothing more."""
_SIGNS = re.compile(r"[/@:?#&=;,\s]")
_SHORTEST = 4
"""Pieces of a password that are shorter are in every text."""


def without_credentials(url: str) -> str:
    """A URL as it may be shown, in all parts of a chain (``a::b``).

    A password may hold ``/``, ``@``, ``:``, ``?`` and ``#`` as they are: all that stands before the last ``@`` goes, a
    folder of such a name too.
    """
    return "::".join(_shown(part) for part in _parts(url))


def secrets_of(url: str) -> tuple[str, ...]:
    """Everything of a URL that must not be seen, also decoded, encoded and in pieces; the longest first."""
    found: set[str] = set()
    for part in _parts(url):
        user, rest = _split(part.partition("://")[2])
        name, _, password = user.partition(":")
        texts = [user, name, password, *(re.split(r"[?#]", rest)[1:])]
        texts += [value.partition("=")[2] for value in re.split(r"[?#&;]", rest)[1:]]
        texts += [piece for piece in _SIGNS.split(user) if len(piece) >= _SHORTEST]
        texts += [part] if part != _shown(part) else []
        found |= {form for text in texts if text for form in _forms(text)}
    return tuple(sorted(found, key=len, reverse=True))


def hidden(secrets: Iterable[str], text: str) -> str:
    """A text with every secret in it as ``***``."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _forms(text: str) -> set[str]:
    decoded, encoded = {unquote(text), unquote_plus(text)}, {quote(text, safe=""), quote(text), quote_plus(text)}
    return {text, *decoded, *encoded, repr(text)[1:-1]}


def _parts(url: str) -> list[str]:
    """The links of a chain; ``::`` in a password makes none."""
    parts: list[str] = []
    for piece in url.split("::"):
        if parts and "://" not in piece and not _BARE.fullmatch(piece):
            parts[-1] += f"::{piece}"
        else:
            parts.append(piece)
    return parts


def _split(rest: str) -> tuple[str, str]:
    """What stands behind ``://``: user and password, and the place."""
    before, at, after = rest.rpartition("@")
    place, *query = re.split(r"[?#]", before, maxsplit=1)
    is_query = query and "=" in query[0] and not {"@", ":"} & set(place)
    return (before, after) if at and not is_query else ("", rest)


def _shown(url: str) -> str:
    scheme, sign, rest = url.partition("://")
    if not sign:
        return re.split(r"[?#]", url, maxsplit=1)[0]
    return f"{scheme}://{re.split(r'[?#]', _split(rest)[1], maxsplit=1)[0]}"
