"""One bad drop, marker or record stops nobody else: it has a state and a reason, the drop beside is taken in."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.landing.drop import key_of
from gr00t_data.sources.landing.landing import changes, drops, look, take_in
from gr00t_data.sources.landing.marker import MARKER_BYTES
from gr00t_data.sources.landing.records import attempt, landed
from gr00t_data.sources.landing.states import states
from gr00t_data.sources.recordings.mapping import MappingError, load_mapping
from gr00t_data.stages.ingest import waiting_drops
from gr00t_data.store.store import StoreError
from tests.pipelines.drops import GR1, put

DEEP = b"[" * 30_000
MARKERS = {
    "impossible date": (b"licence: 2024-13-45\n", "is no text to YAML"),
    "date": (b"licence: 2024-01-02\n", "put it in quotes"),
    "deep list": (DEEP, "expected `name: text`"),
    "deep mapping": (b"{a: " * 9_000, "expected `name: text`"),
    "deep blocks": (b"".join(b" " * n + b"a:\n" for n in range(300)), "expected `name: text`"),
    "python tag": (b"licence: !!python/object/apply:os.getcwd []\n", "expected `name: text`"),
    "own tag": (b"licence: !secret MIT\n", "has a tag"),
    "bad int": (b"licence: !!int abc\n", "has a tag"),
    "bad timestamp": (b"kind: !!timestamp abc\n", "has a tag"),
    "bad binary": (b"kind: !!binary '%'\n", "has a tag"),
    "tagged mapping": (b"!!set {kind, licence}\n", "expected `name: text`"),
    "alias": (b"licence: &a MIT\nembodiment: *a\n", "has a tag or an anchor"),
    "laughs": (b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "expected `name: text`"),
    "itself": (b"&a {licence: *a}\n", "expected `name: text`"),
    "merge": (b"<<: {licence: MIT}\n", "no text to YAML"),
    "list": (b"- kind: real\n", "expected `name: text`"),
    "word": (b"done\n", "expected `name: text`"),
    "number": (b"licence: 4\n", "no text to YAML"),
    "infinity": (b"licence: .inf\n", "no text to YAML"),
    "long number": (b"licence: " + b"9" * 9_000 + b"\n", "no text to YAML"),
    "sexagesimal": (b"licence: 190:20:30\n", "no text to YAML"),
    "list as name": (b"? [a]\n: b\n", "expected `name: text`"),
    "twice": (b"kind: real\nkind: human\n", "there twice"),
    "two documents": (b"kind: real\n---\nkind: human\n", "more than one document"),
    "unknown": (b"consent: yes of course\n", "Extra inputs"),
    "kind": (b"kind: dreamed\n", "kind"),
    "latin-1": "licence: Domaine privé\n".encode("latin-1"),
    "utf-16": "kind: real\n".encode("utf-16"),
    "zeros": (b"\0" * 100, "leave it empty"),
    "escape": (b"kind: \x1b[31mreal\n", "leave it empty"),
    "unclosed": (b"kind: 'real\n", "leave it empty"),
    "tabs": (b"\tkind: real\n", "leave it empty"),
    "large": (b"#" * (MARKER_BYTES + 1), "bytes, at most"),
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    put(made, "good", episodes=1)
    return made


def of(lake: Lake, name: str) -> tuple[str, str]:
    """State and reason of a drop; the good one beside is ready, whatever this one is."""
    told = {one.drop: (one.state, one.reason) for one in states(lake)}
    assert told["good"] == ("ready", "")
    assert "good" in [drop.key for drop in look(lake, {}, 0.0, None).ready] and "good" in waiting_drops(lake)
    assert "good" not in changes(lake)
    assert told[name][1].isprintable()
    return told[name]


@pytest.mark.parametrize("name", MARKERS)
def test_a_marker_that_is_none_stops_its_own_drop(lake: Lake, name: str) -> None:
    content, words = MARKERS[name] if isinstance(MARKERS[name], tuple) else (MARKERS[name], "leave it empty")
    (put(lake, "bad", episodes=1, seed=1) / "_SUCCESS").write_bytes(content)
    state, reason = of(lake, "bad")
    assert state == "failed" and words in reason and "bad/_SUCCESS" in reason
    with pytest.raises(StoreError, match="_SUCCESS"):
        take_in(lake, "bad", GR1)
    take_in(lake, "good", GR1).verify()
    assert [folder.name for folder in lake.stores.iterdir()] == ["good"]


def _sparse(marker: Path) -> None:
    with marker.open("wb") as stream:
        stream.truncate(3 << 30)


ODD_MARKERS: dict[str, Callable[[Path], object]] = {
    "3 GB": _sparse,
    "link": lambda marker: marker.symlink_to(__file__),
    "link to itself": lambda marker: marker.symlink_to(marker.name),
    "link to nowhere": lambda marker: marker.symlink_to("nothing"),
    "link to a device": lambda marker: marker.symlink_to("/dev/zero"),
    "folder": lambda marker: marker.mkdir(),
    "pipe": lambda marker: os.mkfifo(marker),
}


@pytest.mark.parametrize("name", ODD_MARKERS)
def test_a_marker_that_is_no_small_file_is_not_read(lake: Lake, name: str) -> None:
    bad = put(lake, "bad", episodes=1, seed=1, marked=False)
    ODD_MARKERS[name](bad / "_SUCCESS")
    state, reason = of(lake, "bad")
    assert state == "failed" and ("is a link or no file" in reason or "bytes, at most" in reason)
    with pytest.raises(StoreError, match="_SUCCESS"):
        take_in(lake, "bad", GR1)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


ODD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "link to itself": (lambda drop: (drop / "data/loop").symlink_to("loop"), "loop"),
    "link below a file": (lambda drop: (drop / "data/x").symlink_to("../meta/info.json/x"), "Not a directory"),
    "link to a device": (lambda drop: (drop / "data/x").symlink_to("/dev/zero"), "a device, a pipe or a socket"),
    "link with a long name": (lambda drop: (drop / "data/x").symlink_to("n" * 300), "too long"),
    "pipe": (lambda drop: os.mkfifo(drop / "data/x"), "a device, a pipe or a socket"),
    "socket": (lambda drop: _socket(drop / "data/x"), "a device, a pipe or a socket"),
    "latin-1 name": (lambda drop: (drop / os.fsdecode(b"data/caf\xe9")).touch(), "is not UTF-8"),
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_a_file_that_cannot_be_looked_at_refuses_its_own_drop(lake: Lake, name: str) -> None:
    make, words = ODD_FILES[name]
    make(put(lake, "bad", episodes=1, seed=1))
    state, reason = of(lake, "bad")
    assert state in ("refused", "waiting") and (words in reason or "still being copied" in reason)
    if state == "refused":
        assert look(lake, {}, 0.0, None).waiting["bad"] == reason and reason in changes(lake)["bad"]
        with pytest.raises(StoreError, match="is not taken in"):
            take_in(lake, "bad", GR1)


@pytest.mark.parametrize("target", ["itself", "nothing", "/dev/null"])
def test_a_drop_that_is_a_link_to_no_folder_is_refused(lake: Lake, target: str) -> None:
    (lake.landing / "itself").symlink_to(target)
    assert of(lake, "itself")[0] == "refused"


def test_a_drop_with_a_name_that_is_no_utf8_is_refused(lake: Lake) -> None:
    name = os.fsdecode(b"caf\xe9")
    put(lake, "bad", episodes=1, seed=1).rename(lake.landing / name)
    state, reason = of(lake, "caf\\udce9")
    assert state == "refused" and "is not UTF-8" in reason
    with pytest.raises(StoreError, match="is not taken in"):
        take_in(lake, key_of(name), GR1)


@pytest.mark.parametrize("name", ["n" * 252, "n" * 255, "é" * 127, f"{'a b' * 80}.tar"])
def test_a_drop_with_a_long_name_is_taken_in(lake: Lake, name: str) -> None:
    put(lake, "long", episodes=1, seed=1).rename(lake.landing / name)
    assert of(lake, name)[0] == "ready"
    key = key_of(name)
    store = take_in(lake, key, GR1)
    assert store.root.name == key and key_of(key) == key and len(key) <= 180
    assert of(lake, name) == ("taken in", f"as store {key}")
    assert key_of(f"{name[:-1]}x") != key


RECORDS = [b"", b"{", b"null", b"[]", b'{"drop": 3}', b"\xff\xfe", b"[" * 100_000, b'{"drop": "good"}']


@pytest.mark.parametrize("content", RECORDS)
def test_a_damaged_record_is_made_again(lake: Lake, content: bytes) -> None:
    put(lake, "other", episodes=1, seed=2)
    store = take_in(lake, "other", GR1)
    before = next(drop for drop in drops(lake) if drop.key == "other")
    asked = attempt(lake, before)
    (lake.root / "landed/other.json").write_bytes(content)
    state, reason = of(lake, "other")
    assert state == "ready" and "landed/other.json cannot be read" in reason
    assert attempt(lake, before) != asked.rpartition(":")[0]  # a sensor asks for it anew
    take_in(lake, "good", GR1).verify()
    assert take_in(lake, "other", GR1).digest == store.digest and landed(lake, "other")
    assert {one.state for one in states(lake)} == {"taken in"}


def test_a_record_that_is_a_folder_or_a_link_to_itself(lake: Lake) -> None:
    (lake.root / "landed/good.json").mkdir(parents=True)
    (lake.root / "landed/other.json").symlink_to("other.json")
    put(lake, "other", episodes=1, seed=2)
    assert {one.state for one in states(lake)} == {"ready"} and waiting_drops(lake) == ["good", "other"]


def test_why_a_drop_failed_is_remembered_until_it_goes_well(lake: Lake) -> None:
    bad = put(lake, "bad", episodes=1, seed=1)
    info = (bad / "meta/info.json").read_text()
    (bad / "meta/info.json").write_text("{")
    with pytest.raises(StoreError):
        take_in(lake, "bad", GR1)
    assert of(lake, "bad")[0] == "failed" and "info.json" in of(lake, "bad")[1]
    record = lake.root / "failed/bad.json"
    whole = record.read_text()
    record.write_text(whole.replace("info", "data"))
    assert of(lake, "bad")[0] == "ready" and f"the record {record} cannot be read" in of(lake, "bad")[1]
    record.write_text(whole)
    (bad / "meta/info.json").write_text(info)
    assert of(lake, "bad") == ("ready", "")
    take_in(lake, "bad", GR1)
    assert of(lake, "bad")[0] == "taken in" and not list((lake.root / "failed").iterdir())


def test_another_marker_is_another_attempt(lake: Lake) -> None:
    bad = put(lake, "bad", episodes=1, seed=1)
    (bad / "_SUCCESS").write_text("kind: dreamed\n")
    asked = [attempt(lake, drop) for drop in drops(lake) if drop.key == "bad"]
    with pytest.raises(StoreError):
        take_in(lake, "bad", GR1)
    assert [attempt(lake, drop) for drop in drops(lake) if drop.key == "bad"] == asked
    (bad / "_SUCCESS").write_text("kind: real\n")
    os.utime(bad / "_SUCCESS", (5, 5))
    assert [attempt(lake, drop) for drop in drops(lake) if drop.key == "bad"] != asked


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "a: 2024-13-45\n", "a: !!timestamp x\n", "a: !!bool x\n", "? [a]\n: b\n"]
)
def test_a_mapping_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(MappingError, match=r"mapping\.yaml"):
        load_mapping(tmp_path / "mapping.yaml")
