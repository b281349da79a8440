"""A drop as it lies there: its key, which of its files count, what is under way, and what its marker may say."""

import os
from pathlib import Path

import pytest

from gr00t_data.sources.landing.archive import is_archive
from gr00t_data.sources.landing.drop import (
    describe,
    key_of,
    left_out,
    passed_over,
    shape_of,
    still_copied,
)
from gr00t_data.sources.landing.marker import MARKER, Said, marker_of, said_in
from gr00t_data.sources.landing.remote import RemoteFile, refusal
from gr00t_data.store.store import StoreError


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """Two files that count, and hidden ones that do not."""
    path = tmp_path / "monday"
    for name, content in {"a.bin": "12", "b/c.bin": "345", ".hidden/d.bin": "6", "b/.note": "7"}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    return path


@pytest.mark.parametrize("name", ["monday", "a.b_c-1", "2026-11-30"])
def test_a_plain_name_is_its_own_key(name: str) -> None:
    assert key_of(name) == name


def test_keys_of_odd_names_are_safe_and_never_shared() -> None:
    names = ["a b", "a  b", "a/b", "a:b", "ä b", "a\nb", "Montag (2)", "Montag [2]"]
    keys = [key_of(name) for name in names]
    assert len(set(keys)) == len(names) and not set(keys) & set(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for key in keys)
    assert keys == [key_of(name) for name in names]


@pytest.mark.parametrize(
    ("name", "copied"),
    [
        *[(f"video.mp4.{end}", True) for end in ("part", "partial", "tmp", "crdownload", "filepart")],
        (".video.mp4.AbC123", True),  # rsync
        ("video.mp4", False),
        ("part", False),
        ("video.mp4.parts", False),
        (".video.mp4.AbC1234", False),
        (".AbC123", False),
        ("video.mp4.AbC123", False),
    ],
)
def test_names_of_files_under_way(name: str, copied: bool) -> None:
    assert still_copied(name) is copied


def test_what_is_no_part_of_a_drop() -> None:
    assert [left_out(name) for name in (MARKER, ".git/config", "a/.b/c", "a/b", f"a/{MARKER}")] == [
        *(True, True, True, False, False),
    ]
    assert [passed_over(name) for name in (MARKER, ".fetching", "monday")] == [True, True, False]


def test_a_drop_is_described_by_what_counts(drop: Path) -> None:
    told = describe(drop)
    assert (told.key, told.files, told.size_bytes, told.marked, told.under_way) == ("monday", 2, 5, False, None)
    (drop / "b/.note").write_text("another")
    (drop / MARKER).touch()
    marked = describe(drop)
    assert (marked.signature, marked.shape, marked.marked) == (told.signature, told.shape, True)


def test_the_signature_sees_times_and_the_shape_does_not(drop: Path) -> None:
    told = describe(drop)
    os.utime(drop / "a.bin", ns=(1, 1))
    touched = describe(drop)
    assert touched.signature != told.signature and touched.shape == told.shape
    (drop / "a.bin").rename(drop / "z.bin")
    assert describe(drop).shape != told.shape


def test_a_file_is_a_drop_whose_name_does_not_matter(tmp_path: Path) -> None:
    shapes = []
    for name in ("one.zip", "two.zip"):
        (tmp_path / name).write_bytes(b"12345")
        told = describe(tmp_path / name)
        assert (told.key, told.files, told.size_bytes, told.marked) == (name, 1, 5, False)
        shapes.append(told.shape)
    assert shapes[0] == shapes[1] != shape_of([("one.zip", 5)], is_folder=True)
    (tmp_path / "three.zip.part").write_bytes(b"1")
    assert describe(tmp_path / "three.zip.part").under_way == "three.zip.part"


def test_a_link_that_leads_nowhere_yet_is_under_way(drop: Path) -> None:
    (drop / "late.bin").symlink_to(drop / "not there")
    assert describe(drop).under_way == "late.bin" and describe(drop).files == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", Said()),
        (b"# nothing\n", Said()),
        (b"{}", Said()),
        (b"kind: human\n", Said(kind="human")),
        ("licence: Größe\nembodiment: so100\n".encode(), Said(licence="Größe", embodiment="so100")),
    ],
)
def test_what_a_marker_may_say(content: bytes, said: Said) -> None:
    assert said_in(content, "x") == said


@pytest.mark.parametrize(
    "content",
    [
        b"license: MIT",
        b"kind: teleop",
        b"licence: 3",
        b"- human",
        b"human",
        b"kind: [",
        b"\xff\xfe",
        b"kind: !!python/x y",
    ],
)
def test_a_marker_that_cannot_be_read_names_itself_and_holds_nothing_up(drop: Path, content: bytes) -> None:
    (drop / MARKER).write_bytes(content)
    with pytest.raises(StoreError) as error:
        marker_of(drop)
    assert str(error.value).startswith(
        f"{drop / MARKER}: leave it empty, or write embodiment, licence, kind, fps, quaternions, instruction as YAML ("
    )
    told = describe(drop)
    assert told.marked and told.kind is None


def test_the_kind_of_a_marker_is_seen_by_who_looks(drop: Path) -> None:
    assert describe(drop).kind is None and marker_of(drop) == Said()
    (drop / MARKER).write_text("kind: neural\n")
    assert describe(drop).kind == "neural"


def test_archives_are_known_by_their_names(tmp_path: Path) -> None:
    for name, archive in {"a.ZIP": True, "a.tar.gz": True, "a.tgz": True, "a.gz": False, "zip": False}.items():
        (tmp_path / name).touch()
        assert is_archive(tmp_path / name) is archive, name
    (tmp_path / "folder.zip").mkdir()
    assert not is_archive(tmp_path / "folder.zip")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a//b"], "leads out of the drop or is no path"),
        (["a/./b"], "leads out of the drop or is no path"),
        (["a\0b"], "leads out of the drop or is no path"),
        (["ok", "ä" * 128], "has a part longer than 255 bytes"),
        (["a", "a/b/c"], "lies below another file of the drop"),
        (["a/b", "ab", "a.b"], None),
        (["ä" * 127], None),
    ],
)
def test_names_that_cannot_be_files_here(names: list[str], words: str | None) -> None:
    told = refusal("monday", [RemoteFile(name, name, 1, "", {}) for name in names])
    assert told is None if words is None else words in str(told)
