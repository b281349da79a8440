"""Attacks by egocentric video: tables of narrations, annotations in JSON, arrays of hands."""

import json
from collections.abc import Callable

from benchmarks.hostile.beside import episodes_in
from benchmarks.hostile.case import Place, attacks
from tests.data.sources.human.ego_films import calm_film

_MB = 1 << 20


def _words(place: Place) -> list[str]:
    return ["human", "ingest", str(place.drop), "--faces", "none", "--licence", "CC-BY-4.0", "--consent", "given"]


def _table(rows: Callable[[Place], str | bytes]) -> Callable[[Place], None]:
    """Two videos, and a table whose first row is healthy."""

    def build(place: Place) -> None:
        for number, name in enumerate(("good", "evil")):
            calm_film(place.drop / f"{name}.mp4", 2.0, seed=number)
        told = rows(place)
        head = b"video,start_s,end_s,text\ngood.mp4,0.0,1.8,open the door\n"
        (place.drop / "clips.csv").write_bytes(head + (told if isinstance(told, bytes) else told.encode()))

    return build


attacks(
    "tables of narrations, row by row",
    _words,
    ("video outside", _table(lambda place: "../outside/secret.txt,0,1,look\n"), "refused.*leads out"),
    ("video outside by its whole name", _table(lambda place: f"{place.secret},0,1,look\n"), "refused.*leads out"),
    ("template for a name", _table(lambda place: "{name.__class__},0,1,look\n"), "refused"),
    ("name of 100,000 letters", _table(lambda place: "a" * 100_000 + ",0,1,look\n"), "refused"),
    ("times of 400 digits", _table(lambda place: f"evil.mp4,{'9' * 400},{'9' * 401},look\n"), "refused"),
    ("times that are none", _table(lambda place: "evil.mp4,NaN,inf,look\n"), "refused"),
    ("times before the beginning", _table(lambda place: "evil.mp4,-5,-1,look\n"), "refused"),
    ("an end before its start", _table(lambda place: "evil.mp4,1.5,0.5,look\n"), "refused"),
    ("a clip of 30 years", _table(lambda place: "evil.mp4,0,946080000,look\n"), "refused"),
    ("no video at all", _table(lambda place: "nothing.mp4,0,1,look\n"), "refused"),
    beside=episodes_in(1),
)
attacks(
    "tables that are none",
    _words,
    ("20 million cells", _table(lambda place: b"," * 20_000_000), "cells of a table"),
    ("100 MB", _table(lambda place: b"x" * (100 * _MB)), "bytes of a table"),
    ("one cell of 20 MB", _table(lambda place: b'"' + b"x" * (20 * _MB) + b'"'), "is not a CSV file|field larger"),
    ("bytes that are no text", _table(lambda place: b"\xff\xfe\x00\x01" * 99), "is not a CSV file"),
)


def _linked(place: Place) -> None:
    _table(lambda place: "")(place)
    calm_film(place.outside / "other.mp4", 2.0)
    (place.drop / "evil.mp4").unlink()
    (place.drop / "evil.mp4").symlink_to(place.outside / "other.mp4")


attacks("links out of a drop", _words, ("video of a person", _linked, "link out of"), beside=episodes_in(1))


def _annotated(content: Callable[[], bytes]) -> Callable[[Place], None]:
    """An Ego4D drop with such annotations."""

    def build(place: Place) -> None:
        calm_film(place.drop / "full_scale/u1.mp4", 2.0)
        (place.drop / "narration.json").write_bytes(content())

    return build


def _narrated(**changes: object) -> bytes:
    one = {"narration_text": "#C C picks a cup", "timestamp_sec": 1.0, "timestamp_frame": 30} | changes
    return json.dumps({"videos": {"u1": {"narration_pass_1": {"narrations": [one]}, "status": "complete"}}}).encode()


attacks(
    "annotations in JSON",
    _words,
    ("nested 100,000 deep", _annotated(lambda: b'{"videos":' * 100_000), "error|refused"),
    (
        "30 million values",
        _annotated(lambda: b'{"videos": [' + b"{}," * 30_000_000),
        "error|refused",
    ),
    ("times of 400 digits", _annotated(lambda: _narrated(timestamp_sec=10**400)), "error|refused"),
    ("texts for times", _annotated(lambda: _narrated(timestamp_sec="now")), "error|refused"),
    ("no text", _annotated(lambda: _narrated(narration_text={"a": 1})), "error|refused"),
    ("a list for a table", _annotated(lambda: b'{"videos": [1, 2, 3], "narration_pass_1": 0}'), "error|refused"),
)
