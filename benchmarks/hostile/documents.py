"""Attacks by the JSON of Unitree recordings, and by texts that are shown to people."""

import json
from collections.abc import Callable
from typing import Any

from benchmarks.hostile.beside import episodes_in, ingested, two_recordings
from benchmarks.hostile.case import Place, attacks
from tests.data.sources import test_unitree

Change = Callable[[Place, dict[str, Any]], object]


def _changed(change: Change) -> Callable[[Place], None]:
    """The document of one of two recordings, changed."""

    def build(place: Place) -> None:
        path = two_recordings(place) / "data.json"
        document = json.loads(path.read_text())
        change(place, document)
        path.write_text(json.dumps(document))

    return build


def _bytes(content: Callable[[], bytes]) -> Callable[[Place], object]:
    return lambda place: (two_recordings(place) / "data.json").write_bytes(content())


def _picture(name: str) -> Callable[[Place], None]:
    def change(place: Place, document: dict[str, Any]) -> None:
        document["data"][2]["colors"]["color_0"] = name.replace("OUTSIDE", str(place.outside))

    return _changed(change)


def _info(**changes: object) -> Callable[[Place], None]:
    return _changed(lambda place, document: document["info"].update(changes))


def _joints(value: object) -> Callable[[Place], None]:
    return _changed(lambda place, document: document["data"][5]["states"]["left_arm"].update(qpos=value))


def _text(text: str) -> Callable[[Place], None]:
    return _changed(lambda place, document: document["text"].update(goal=text))


_REFUSED = "refused evil"
_HEAD = b'{"info": {}, "data": ['
attacks(
    "documents of recordings",
    ingested(test_unitree.MAPPING),
    ("picture outside", _picture("../../outside/secret.txt"), _REFUSED),
    ("picture outside by its whole name", _picture("OUTSIDE/secret.txt"), _REFUSED),
    ("picture that is the password file", _picture("/etc/passwd"), _REFUSED),
    ("picture that is a device", _picture("/dev/zero"), _REFUSED),
    ("name with a zero byte", _picture("colors/a\0b.jpg"), _REFUSED),
    ("name of 100,000 letters", _picture("a" * 100_000), _REFUSED),
    ("nested 100,000 deep", _bytes(lambda: _HEAD + b"[" * 100_000), _REFUSED),
    ("20 million values", _bytes(lambda: _HEAD + b"{}," * 20_000_000 + b"{}]}"), _REFUSED + ".*values of JSON"),
    ("300 MB", _bytes(lambda: _HEAD + b'"' + b"x" * (300 << 20) + b'"]}'), _REFUSED + ".*bytes of JSON"),
    ("rows that are none", _changed(lambda place, document: document.update(data=[1, 2, 3])), _REFUSED),
    ("joints of 400 digits", _joints([10**400, 1, 2]), _REFUSED),
    ("joints within 5,000 lists", _joints(json.loads("[" * 900 + "]" * 900)), _REFUSED),
    ("joints that are texts", _joints("up"), _REFUSED),
    ("pictures for joints", _joints({"a": {"b": {}}}), _REFUSED),
    ("info that is a list", _changed(lambda place, document: document.update(info=[1])), _REFUSED),
    ("names of joints that are numbers", _info(joint_names=7), _REFUSED),
    beside=episodes_in(1),
)
attacks(
    "texts for people",
    ingested(test_unitree.MAPPING),
    ("closing markup", _text("pick [/b] the [/red] apple"), ""),
    ("markup", _text("pick the [apple] [link=file:///etc/passwd]x[/link]"), ""),
    ("escape codes", _text("pick \x1b[2J\x1b]0;title\x07 the apple"), ""),
    ("a page's script", _text("<script>alert(1)</script><img src=x onerror=alert(1)>"), ""),
    ("right to left", _text("pick \u202eelppa\u202c the\u200b apple"), ""),
    ("a megabyte", _text("a " * 500_000), ""),
    ("lone halves of letters", _text("pick \ud800 the apple"), "refused evil"),
    ("only spaces", _text("   \n\t "), ""),
    beside=episodes_in(1),
)
