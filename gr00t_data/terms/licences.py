"""Licences: what is known of them, how they add up, and what a commercial profile must refuse.

A licence is an SPDX identifier where there is one, else the words of whoever published the thing. What is made from
several things has all of their licences, written ``A AND B``; so the most restrictive one decides.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gr00t_data.store.provenance import Facts
from gr00t_data.store.store import EpisodeStore

Profile = Literal["any", "commercial"]
PROFILES: tuple[Profile, ...] = ("any", "commercial")
_JOIN = " AND "


class LicenceError(ValueError):
    """Something may not be used under the profile asked for; the message names it, its licence, and what to do."""


@dataclass(frozen=True)
class Licence:
    """What is known of a licence.

    Attributes:
        name: SPDX identifier, or a short name.
        commercial: whether a product may be made with it.
        why: what stands in the way, or what to keep to.
    """

    name: str
    commercial: bool
    why: str = ""


UNKNOWN = Licence("unknown", False, "nobody said under which terms it may be used")

_NONCOMMERCIAL = "non-commercial use only"
_SIGNED = "bound to an agreement that each user signs; read it before anything is sold"
_NVIDIA = "the published weights of GR00T N1.5 are for research and development only"

KNOWN: tuple[Licence, ...] = (
    *(
        Licence(name, True)
        for name in (
            *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "Unlicense", "0BSD"),
            *("CC0-1.0", "PDDL-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0"),
        )
    ),
    *(Licence(f"CC-BY-{version}", True, "name the authors") for version in ("2.0", "2.5", "3.0", "4.0")),
    *(Licence(name, True, "share alike") for name in ("CC-BY-SA-3.0", "CC-BY-SA-4.0", "ODbL-1.0")),
    *(
        Licence(f"CC-BY-{terms}-{version}", False, _NONCOMMERCIAL + (", no derivatives" if "ND" in terms else ""))
        for terms in ("NC", "NC-SA", "NC-ND")
        for version in ("2.0", "2.5", "3.0", "4.0")
    ),
    Licence("CC-BY-ND-4.0", False, "no derivatives: nothing may be made from it"),
    Licence("Ego4D", False, _SIGNED),
    Licence("Ego-Exo4D", False, _SIGNED),
    Licence("MANO", False, "the MANO hand model is for non-commercial research"),
    Licence("NSCLv1", False, f"NVIDIA Source Code License: {_NONCOMMERCIAL}; {_NVIDIA}"),
    Licence("NVIDIA-OneWay-Noncommercial", False, _NONCOMMERCIAL),
    Licence("NVIDIA-Open-Model", True, "NVIDIA Open Model License: keep its notice"),
    Licence("own", True, "recorded by whoever uses it"),
    Licence("none: random weights", True),
    UNKNOWN,
)
"""Everything else counts as unknown, which is refused under a commercial profile."""

_WORDS: tuple[tuple[str, str], ...] = (
    (r"nscl|nvidia source code", "NSCLv1"),
    (r"nvidia.*(non.?commercial|one.?way)", "NVIDIA-OneWay-Noncommercial"),
    (r"nvidia.*open model", "NVIDIA-Open-Model"),
    (r"ego.?exo.?4d", "Ego-Exo4D"),
    (r"ego.?4d", "Ego4D"),
    (r"\bmano\b", "MANO"),
)
"""Phrases of licences that have no identifier; the first that is found counts."""


def known(text: str) -> Licence:
    """What is known of one licence, however it is spelled (``CC BY-NC 4.0`` is ``CC-BY-NC-4.0``); else ``UNKNOWN``."""
    wanted = _plain(text)
    for licence in KNOWN:
        if wanted == _plain(licence.name):
            return licence
    if found := re.match(r"(apache-2\.0|mit|cc0-1\.0|cc-by(-nc)?(-nd|-sa)?-\d\.\d)(?!\w|[.-]\w)", wanted):
        return known(found.group(1))
    name = next((name for words, name in _WORDS if re.search(words, text.lower())), None)
    return known(name) if name else UNKNOWN


def _plain(text: str) -> str:
    plain = re.sub(r"[\s_]+", "-", text.strip().lower().replace("licence", "license"))
    plain = re.sub(r"^(creativecommons|creative-commons)-", "cc-", plain)
    plain = re.sub(r"^(the-)?(apache|mit)-license(-version)?", r"\2", plain)
    plain = re.sub(r"^apache-(license-)?(v|version-)?2(\.0)?(?![\d.])", "apache-2.0", plain)
    return re.sub(r"^cc-by-(nc-)?(nd-|sa-)?v(\d)", r"cc-by-\1\2\3", plain)


def parts(text: str) -> tuple[str, ...]:
    """The licences of an ``A AND B``, each once, in their order."""
    return tuple(dict.fromkeys(part.strip() or "unknown" for part in text.split(_JOIN)))


def joined(texts: Iterable[str]) -> str:
    """All of them as ``A AND B``, sorted, each once; one alone stays as it is written."""
    every = sorted({part for text in texts for part in parts(text)})
    return _JOIN.join(every) or "unknown"


def obstacles(text: str) -> tuple[Licence, ...]:
    """The licences of ``text`` under which nothing may be sold; unknown ones keep their own words as the name."""
    found = ((part, known(part)) for part in parts(text))
    return tuple(
        Licence(part, False, licence.why) if licence is UNKNOWN else licence
        for part, licence in found
        if not licence.commercial
    )


def stated_in(about: Facts, names: tuple[str, ...] = ("licence", "licences")) -> Iterator[tuple[str, str]]:
    """Every licence that a record states, however deep: (dotted place, text).

    So a licence that stands with the model that made a label counts like that of the pictures.
    """
    for key, value in about.items():
        if key in names:
            values = (
                value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
            )
            yield from ((key, str(one)) for one in values if one)
        elif isinstance(value, Mapping):
            yield from ((f"{key}.{place}", text) for place, text in stated_in(value, names))
        elif isinstance(value, list | tuple):
            inner = [one for one in value if isinstance(one, Mapping)]
            yield from ((f"{key}.{place}", text) for one in inner for place, text in stated_in(one, names))


def of_store(store: EpisodeStore, episodes: Collection[int] | None = None) -> str:
    """The licences of a store, of the episodes given (None: all), and of every model that made one of their labels."""
    own = [text for _, text in stated_in(store.about.facts())] or [store.licence]
    rows = (row for row in store.rows if episodes is None or row.index in episodes)
    return joined([*own, *(text for row in rows for _, text in stated_in(row.source.facts()))])
