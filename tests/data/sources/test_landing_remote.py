"""A landing on a remote file system: fsspec's memory, and a folder seen through a chain of two."""

import importlib.util
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile

from gr00t_data.lake import Lake
from gr00t_data.sources.landing import fetch as landing_fetch
from gr00t_data.sources.landing.fetch import copy, fetch, fetched
from gr00t_data.sources.landing.landing import changes, drops, find, look, take_in
from gr00t_data.sources.landing.records import landed
from gr00t_data.sources.landing.remote import (
    LandingError,
    RemoteFile,
    RemoteLanding,
    refusal,
    remote_landing,
)
from gr00t_data.sources.landing.states import states
from gr00t_data.stages.ingest import waiting_drops
from tests.pipelines.drops import GR1, put

SECRET = "hush9"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A drop of one episode, not yet landed anywhere."""
    return put(Lake(tmp_path / "elsewhere"), "monday", episodes=1)


@pytest.fixture
def bucket() -> Iterator[str]:
    """The URL of an empty folder in memory, with a password in it."""
    name = uuid.uuid4().hex
    yield f"memory://someone:{SECRET}@{name}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def lake(tmp_path: Path, bucket: str) -> Lake:
    return Lake(tmp_path / "lake", bucket)


def remote_of(lake: Lake) -> RemoteLanding:
    remote = remote_landing(lake)
    assert remote
    return remote


def upload(lake: Lake, drop: Path, name: str = "monday", skip: tuple[str, ...] = ()) -> None:
    remote = remote_of(lake)
    for file in sorted(path for path in drop.rglob("*") if path.is_file()):
        relative = file.relative_to(drop).as_posix()
        if relative not in skip:
            remote.files.pipe_file(f"{remote.root}/{name}/{relative}", file.read_bytes())


def ready(lake: Lake, quiet_s: float | None = None) -> list[str]:
    return [drop.key for drop in look(lake, {}, 0.0, quiet_s).ready]


def test_a_remote_drop_is_copied_and_taken_in_once(lake, made):
    upload(lake, made)
    assert ready(lake) == waiting_drops(lake) == ["monday"] and not lake.landing.exists()
    store = take_in(lake, "monday", GR1)
    store.verify()
    assert store.digest == take_in(Lake(made.parents[1]), "monday", GR1).digest  # as from a folder
    assert ready(lake) == [] and changes(lake) == {} and [drop.key for drop in drops(lake)] == ["monday"]
    assert [path.name for path in (lake.landing / ".fetching").iterdir()] == []
    shutil.rmtree(lake.landing)  # the copy may go when it was taken in
    assert ready(lake) == [] and take_in(lake, "monday", GR1).digest == store.digest


def test_an_unmarked_remote_drop_counts_after_two_looks_at_stamps(lake, made):
    upload(lake, made, skip=("_SUCCESS",))
    memory = look(lake, {}, 1000.0, 60.0).memory
    assert look(lake, memory, 1059.0, 60.0).waiting["monday"].startswith("has no _SUCCESS")
    remote = remote_of(lake)
    path = f"{remote.root}/monday/meta/tasks.jsonl"
    remote.files.pipe_file(path, remote.files.cat_file(path))  # the same bytes at another time
    late = look(lake, memory, 1060.0, 60.0)
    assert not late.ready
    assert [drop.key for drop in look(lake, late.memory, 1120.0, 60.0).ready] == ["monday"]
    remote.files.pipe_file(f"{remote.root}/monday/videos/x.mp4.part", b"1")
    assert "still being copied" in look(lake, late.memory, 9999.0, 60.0).waiting["monday"]


def test_a_copy_goes_on_where_it_was_killed(lake, made, monkeypatch):
    upload(lake, made)
    done: list[str] = []

    def dies_at_the_third(remote, file, target, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(file.name)
        return copy(remote, file, target, **options)

    monkeypatch.setattr(landing_fetch, "copy", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        find(lake, "monday")
    assert ready(lake) == ["monday"] and not (lake.landing / "monday").exists()
    again: list[str] = []
    monkeypatch.setattr(landing_fetch, "copy", lambda r, f, t, **o: again.append(f.name) or copy(r, f, t, **o))
    said: list[str] = []
    assert find(lake, "monday", said.append) == lake.landing / "monday"
    assert not set(done) & set(again) - {"_SUCCESS"} and "MB) from memory://" in said[0]


def test_a_remote_drop_that_changed_is_refused_and_its_store_stays(lake, made):
    upload(lake, made)
    store = take_in(lake, "monday", GR1)
    remote = remote_of(lake)
    path = f"{remote.root}/monday/meta/tasks.jsonl"
    remote.files.pipe_file(path, bytes(remote.files.cat_file(path)).replace(b"red", b"tan"))
    assert ready(lake) == ["monday"]
    with pytest.raises(ValueError, match="other content"):
        take_in(lake, "monday", GR1)
    store.verify()
    assert "another name" in changes(lake)["monday"] and ready(lake) == []


def test_a_drop_that_changes_while_it_is_copied_is_not_taken_in(lake, made, monkeypatch):
    upload(lake, made)
    remote = remote_of(lake)

    def meddle(one, file, target, **options):
        answer = copy(one, file, target, **options)
        remote.files.pipe_file(f"{remote.root}/monday/meta/late.json", b"{}")
        return answer

    monkeypatch.setattr(landing_fetch, "copy", meddle)
    with pytest.raises(LandingError, match="changed while it was copied"):
        take_in(lake, "monday", GR1)
    assert fetched(lake, "monday") is None and landed(lake, "monday") is None
    monkeypatch.undo()
    take_in(lake, "monday", GR1).verify()


@pytest.mark.parametrize("name", ["../../evil.txt", "a/../../b", "a//b", "data\\..\\x", "x\0y", "n" * 300])
def test_names_that_lead_out_are_refused(lake, made, name):
    upload(lake, made)
    store = fsspec.filesystem("memory").store
    store[f"{remote_of(lake).root}/monday/{name}"] = next(iter(store.values()))
    looked = look(lake, {}, 0.0, 0.0)
    assert not looked.ready and "name" in looked.waiting["monday"]
    with pytest.raises(LandingError, match="the name"):
        take_in(lake, "monday", GR1)
    assert not lake.landing.exists() and not list(lake.root.parent.rglob("evil*"))


def test_a_file_that_is_also_a_folder_and_drops_with_odd_names_are_refused():
    def file(name: str) -> RemoteFile:
        return RemoteFile(name, name, 1, "", {})

    assert "below another file" in (refusal("d", [file("a"), file("a/b")]) or "")
    assert refusal("d", [file("a/b"), file("a/c")]) is None
    assert [refusal(name, []) is None for name in ("..", "a\\b", "a b")] == [False, False, True]


def test_two_drops_of_one_name_here_and_there(lake, made):
    upload(lake, made)
    shutil.copytree(made, lake.landing / "monday")
    assert "another drop of that name" in look(lake, {}, 0.0, 0.0).waiting["monday"]
    with pytest.raises(LandingError, match="give one of the two another name"):
        take_in(lake, "monday", GR1)
    (lake.landing / "monday").rename(lake.landing / "tuesday")
    assert sorted(ready(lake)) == ["monday", "tuesday"]


def test_credentials_are_seen_nowhere(lake, made, monkeypatch, bucket):
    upload(lake, made)
    store = take_in(lake, "monday", GR1)
    written = [path.read_text(errors="replace") for path in lake.root.rglob("*.json*") if path.is_file()]
    assert not any(SECRET in text for text in [*written, repr(lake), repr(remote_of(lake)), str(store.about)])
    monkeypatch.setattr(type(remote_of(lake).files), "ls", lambda *a, **k: 1 / 0 if SECRET in bucket else [])
    with pytest.raises(LandingError, match=r"cannot be listed \(ZeroDivisionError") as caught:
        waiting_drops(lake)
    assert SECRET not in str(caught.value) and caught.value.__suppress_context__
    assert take_in(lake, "monday", GR1).digest == store.digest  # the copy serves while the network is away


@pytest.mark.parametrize("url", ["nosuch://me:{secret}@x/y", "s3://{secret}@bucket/y"])
def test_an_address_that_cannot_be_opened_is_said_without_its_secret(tmp_path, url):
    if url.startswith("s3") and importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed, so s3:// can be opened")
    with pytest.raises(LandingError, match=r"GR00T_LANDING is .*cannot be opened") as caught:
        remote_landing(Lake(tmp_path, url.format(secret=SECRET)))
    assert SECRET not in str(caught.value) and caught.value.__suppress_context__


def test_a_folder_elsewhere_is_read_where_it_is(made, monkeypatch, tmp_path):
    for address in (str(made.parent), f"file://{made.parent}"):
        monkeypatch.setenv("GR00T_LANDING", address)
        monkeypatch.setenv("GR00T_LAKE", str(tmp_path / "lake"))
        lake = Lake.from_environment()
        assert lake.landing == made.parent and remote_landing(lake) is None and find(lake, "monday") == made
    monkeypatch.setenv("GR00T_LANDING", f"simplecache::file://{made.parent}")
    lake = Lake.from_environment()
    assert remote_landing(lake) is not None and find(lake, "monday") == lake.root / "landing/monday"
    monkeypatch.delenv("GR00T_LANDING")
    assert Lake.from_environment().landing == tmp_path / "lake/landing"


def test_kinds_are_read_from_the_remote_marker(lake, made):
    upload(lake, made, "shown")
    remote = remote_of(lake)
    remote.files.pipe_file(f"{remote.root}/shown/_SUCCESS", b"kind: human\n")
    upload(lake, made, "plain")
    assert {drop.key: drop.kind for drop in drops(lake)} == {"shown": "human", "plain": None}
    assert [drop.key for drop in look(lake, {}, 0.0, None, kinds=("human",)).ready] == ["shown"]
    assert [drop.key for drop in look(lake, {}, 0.0, None, kinds=("real",)).ready] == ["plain"]


def stored(lake: Lake, facts: dict, content: bytes = b"abc") -> tuple[RemoteLanding, RemoteFile]:
    remote = remote_of(lake)
    remote.files.pipe_file(f"{remote.root}/x", content)
    return remote, RemoteFile("x", f"{remote.root}/x", 3, "", facts)


ABC = "900150983cd24fb0d6963f7d28e17f72"


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        ({}, True),
        ({"ETag": f'"{ABC}"'}, True),
        ({"ETag": '"0123-2"'}, True),  # sent in parts
        ({"ETag": "0" * 32}, False),  # encrypted: two readings agree against it
        ({"md5Hash": "kAFQmDzST7DWlj99KOF/cg=="}, True),
        ({"content_settings": type("Settings", (), {"content_md5": bytearray.fromhex(ABC)})()}, True),
    ],
)
def test_what_arrives_is_compared_with_what_is_stated(lake, tmp_path, facts, answer):
    remote, file = stored(lake, facts)
    assert copy(remote, file, tmp_path / "x") is answer and (tmp_path / "x").read_bytes() == b"abc"


@pytest.mark.parametrize("facts", [{"md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="}, {"content_md5": "0" * 32}])
def test_a_file_that_is_not_what_is_stated_is_refused(lake, tmp_path, facts):
    remote, file = stored(lake, facts)
    with pytest.raises(LandingError, match="arrived with MD5"):
        copy(remote, file, tmp_path / "x")
    assert not list(tmp_path.glob("*x*"))


@pytest.mark.parametrize(("content", "found"), [(b"ab", "has 2 bytes"), (b"abcd" * 9, "at least 36 bytes")])
def test_a_file_cut_short_or_grown_is_refused(lake, tmp_path, content, found):
    remote, file = stored(lake, {}, content)
    with pytest.raises(LandingError, match=f"{found}, 3 were listed"):
        copy(remote, file, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_nobody_else_has_such_a_drop(lake, made):
    upload(lake, made)
    assert fetch(remote_of(lake), "tuesday") is None
    with pytest.raises(ValueError, match="has no drop 'tuesday'"):
        take_in(lake, "tuesday", GR1)


@pytest.mark.parametrize(
    ("name", "content", "state"),
    [
        ("_SUCCESS", b"licence: 2024-13-45\n", "failed"),
        ("_SUCCESS", b"[" * 30_000, "failed"),
        ("_SUCCESS", b"#" * (1 << 17), "failed"),
        ("_SUCCESS", b"\xff", "failed"),
        ("meta/caf\udce9", b"1", "refused"),
        ("meta/\ud800", b"1", "refused"),
    ],
)
def test_a_bad_remote_drop_stops_no_other(lake, made, name, content, state):
    upload(lake, made, "good")
    upload(lake, made, "bad")
    remote = remote_of(lake)
    fsspec.filesystem("memory").store[f"{remote.root}/bad/{name}"] = MemoryFile(data=content)
    assert {one.drop: one.state for one in states(lake)} == {"good": "ready", "bad": state}
    assert "good" in ready(lake) and take_in(lake, "good", GR1).sealed
    with pytest.raises(ValueError, match=r"UTF-8|leave it empty"):
        take_in(lake, "bad", GR1)


@pytest.mark.parametrize("content", [b"", b"[]", b"{"])
def test_a_damaged_record_of_a_copy_is_said(lake, made, content):
    upload(lake, made, "good")
    upload(lake, made, "bad")
    take_in(lake, "bad", GR1)
    (lake.root / "fetched/bad.json").write_bytes(content)
    assert ready(lake) == ["good"] and "fetched/bad.json cannot be read" in look(lake, {}, 0.0, None).waiting["bad"]
