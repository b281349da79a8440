"""What a user names: a path before a name, a name before a part of a digest, and words for what is not found."""

import shutil
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.stages.names import UnknownName, manifest_named, named, store_named
from gr00t_data.store.store import StoreError
from tests.data.builders import episode, sealed

DIGESTS = ("0123456789abcdef", "ffff456789aa0000")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("made") / "store", [episode(4)]).root


@pytest.fixture
def lake(made: Path, tmp_path: Path) -> Lake:
    """A store and two manifests, and what a kill left of a third."""
    lake = Lake(tmp_path / "lake")
    shutil.copytree(made, lake.stores / "monday")
    lake.mixtures.mkdir()
    for digest in DIGESTS:
        (lake.mixtures / f"{digest}.json").write_text("{}")
    (lake.mixtures / ".abcdef0123.json").write_text("{}")
    return lake


def message(lake: Lake, text: str, folder: Path) -> str:
    with pytest.raises(UnknownName) as error:
        named(lake, text, folder)
    return str(error.value)


def test_a_store_is_named_by_folder_or_by_path(lake: Lake, made: Path) -> None:
    monday = lake.stores / "monday"
    assert store_named(lake, "monday").root == store_named(lake, str(monday)).root == monday
    assert store_named(lake, str(made)).root == made


def test_a_folder_of_the_same_name_here_is_no_store(lake: Lake, made: Path, tmp_path: Path, monkeypatch) -> None:
    """`data` of the working folder must not hide the store `data`; once it is a store, the path comes first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monday").mkdir()
    assert store_named(lake, "monday").root == lake.stores / "monday"
    (tmp_path / "monday").rmdir()
    shutil.copytree(made, tmp_path / "monday")
    assert store_named(lake, "monday").root == Path("monday")


def test_what_is_wrong_with_a_path_is_said_by_who_opens_it(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert named(lake, str(tmp_path / "pictures"), lake.stores, "meta") == tmp_path / "pictures"
    with pytest.raises(StoreError, match=r"pictures"):
        store_named(lake, str(tmp_path / "pictures"))


@pytest.mark.parametrize("text", [DIGESTS[0], "012345", "89abcd", f"{DIGESTS[0]}.json"])
def test_a_manifest_is_named_by_a_part_of_its_digest(lake: Lake, text: str) -> None:
    assert manifest_named(lake, text) == lake.mixtures / f"{DIGESTS[0]}.json"


def test_a_manifest_is_named_by_a_pointer(lake: Lake) -> None:
    lake.point("mixture_gr1", lake.mixtures / f"{DIGESTS[1]}.json", DIGESTS[1])
    assert manifest_named(lake, "mixture_gr1") == lake.mixtures / f"{DIGESTS[1]}.json"
    (lake.mixtures / f"{DIGESTS[1]}.json").unlink()
    assert "mixture_gr1: is no path" in message(lake, "mixture_gr1", lake.mixtures)


def test_a_part_that_fits_two_is_refused_with_both(lake: Lake) -> None:
    told = message(lake, "456789", lake.mixtures)
    assert told == f"456789: fits 2 of {lake.mixtures} ({', '.join(DIGESTS)}); give more of the name"


@pytest.mark.parametrize("text", ["01234", "abcdef0123", "01234567x"])
def test_too_short_a_part_a_remain_and_another_digest_are_nothing(lake: Lake, text: str) -> None:
    assert message(lake, text, lake.mixtures).startswith(f"{text}: is no path, and {lake.mixtures} holds nothing")


def test_only_the_end_of_a_name_is_its_digest(lake: Lake) -> None:
    """`gr1-nano-0123abcd` is found by its digest, not by a part of its recipe."""
    folder = lake.checkpoints / "gr1_nano-0123abcd"
    folder.mkdir(parents=True)
    assert named(lake, "0123ab", lake.checkpoints) == folder
    assert "gr1_nan: is no path" in message(lake, "gr1_nan", lake.checkpoints)


def test_a_mistyped_name_is_told_the_nearest(lake: Lake) -> None:
    told = message(lake, "mondya", lake.stores)
    assert told.startswith(f"mondya: is no path, and {lake.stores} holds nothing of that name")
    assert told.endswith("did you mean 'monday'")
    assert "did you mean" not in message(lake, "qqqqqqqq", lake.stores)


def test_a_lake_without_the_folder_says_the_same(tmp_path: Path) -> None:
    bare = Lake(tmp_path / "none")
    assert message(bare, "monday", bare.stores).startswith(f"monday: is no path, and {bare.stores} holds nothing")
    with pytest.raises(UnknownName):
        manifest_named(bare, "mixture_gr1")


def test_a_path_is_no_pointer(lake: Lake) -> None:
    """A text with a slash names a file; it may not lead to a pointer outside the folder of pointers."""
    lake.point("mixture_gr1", lake.mixtures / f"{DIGESTS[0]}.json", DIGESTS[0])
    assert "is no path" in message(lake, "../current/mixture_gr1", lake.stores)
