"""Drops that are archives: unpacked beside, taken in, and refused whole when a member is not a plain file inside."""

import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.landing.archive import opened
from gr00t_data.sources.landing.landing import changes, look, take_in
from gr00t_data.store.store import StoreError
from tests.pipelines.drops import GR1, put


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.mark.parametrize("form", ["zip", "tar", "gztar"])
def test_an_archive_is_taken_in_as_the_folder_it_holds(lake, tmp_path, form):
    made = put(Lake(tmp_path / "elsewhere"), "monday", episodes=1)
    lake.landing.mkdir(parents=True)
    archive = Path(shutil.make_archive(str(lake.landing / "packed"), form, made.parent, "monday"))
    (drop,) = look(lake, {"packed" + archive.name.removeprefix("packed"): ("", 0.0)}, 0.0, 0.0).ready
    store = take_in(lake, drop.key, GR1)
    store.verify()
    plain = take_in(Lake(made.parents[1]), "monday", GR1)
    assert store.about.source.content == plain.about.source.content
    assert look(lake, {}, 0.0, 0.0).ready == () and not list((lake.root / "unpacking").iterdir())
    archive.touch()
    assert changes(lake) == {}
    shutil.copy(archive, lake.landing / f"again-{archive.name}")
    assert take_in(lake, f"again-{archive.name}", GR1).root == store.root


def tar(path: Path, *members: tuple[str, bytes, int]) -> Path:
    """A tar with (name, content or link target, type) each."""
    with tarfile.open(path, "w") as files:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type = bytes([kind])
            if kind == tarfile.REGTYPE[0]:
                member.size = len(content)
                files.addfile(member, io.BytesIO(content))
            else:
                member.linkname = content.decode()
                files.addfile(member)
    return path


FILE, LINK, HARD, FIFO = tarfile.REGTYPE[0], tarfile.SYMTYPE[0], tarfile.LNKTYPE[0], tarfile.FIFOTYPE[0]


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", b"x", FILE)],
        [("/tmp/evil", b"x", FILE)],
        [("a/../../evil", b"x", FILE)],
        [("a", b"/etc", LINK), ("a/passwd", b"x", FILE)],
        [("a", b"/etc/passwd", HARD)],
        [("a", b"", FIFO)],
        [("a", b"x", FILE), ("a", b"y", FILE)],
        [("a\\..\\evil", b"x", FILE)],
    ],
)
def test_members_that_are_no_plain_files_inside_are_refused(tmp_path, members):
    archive = tar(tmp_path / "x.tar", *members)
    with pytest.raises(StoreError, match="nothing was taken in"), opened(archive, tmp_path / "in/side"):
        pass
    assert not list(tmp_path.rglob("*evil*")) and not (tmp_path / "in/side").exists()


def test_zips_with_links_or_names_that_lead_out_are_refused(tmp_path):
    for name, mode in (("../evil", 0), ("/evil", 0), ("link", stat.S_IFLNK | 0o777)):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as files:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            files.writestr(member, "/etc/passwd")
        with pytest.raises(StoreError, match="nothing was taken in"), opened(tmp_path / "x.zip", tmp_path / "in"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_member_that_is_larger_than_it_says_is_refused(tmp_path):
    """A bomb may lie about its size: nothing beyond the declared bytes is written."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("big", b"0" * 100_000)
    said, truth = (1000).to_bytes(4, "little"), (100_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(truth, said))
    with pytest.raises(StoreError), opened(path, tmp_path / "in"):
        pass
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz"])
def test_a_broken_archive_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive at all" * 99)
    with pytest.raises(StoreError, match=f"{name}: is no archive"), opened(tmp_path / name, tmp_path / "in"):
        pass


def test_an_archive_that_was_cut_short_leaves_nothing(tmp_path):
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as files:
        (tmp_path / "big").write_bytes(bytes(range(256)) * 4000)
        files.add(tmp_path / "big", "big")
    content = (tmp_path / "x.tar.gz").read_bytes()
    (tmp_path / "x.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError), opened(tmp_path / "x.tar.gz", tmp_path / "in"):
        pass
    assert not (tmp_path / "in").exists()
