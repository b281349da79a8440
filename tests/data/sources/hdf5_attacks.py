"""What a hostile HDF5 file can hold in place of an episode's numbers or pictures, each written with h5py's own API.

A builder is given the group of the episode, in a file that has a healthy one too, and a folder outside the drop with
files that nobody may open: ``secret.h5`` (data set ``x``, float64 [12, 3]) and ``secret.txt``.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z  # type: ignore[attr-defined]  # compiled

Build = Callable[[h5py.Group, Path], None]
ROWS, JOINTS = 12, 3
ARM, FRONT = "obs/joint_pos", "obs/agentview_image"


def secrets(folder: Path) -> None:
    """The files that nobody may open."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "secret.h5", "w") as file:
        file.create_dataset("x", data=np.full((ROWS, JOINTS), 0.125), maxshape=(None, JOINTS), chunks=(ROWS, JOINTS))
    (folder / "secret.txt").write_text("canary-5a0f9c\n" * 64)


def _replace(group: h5py.Group, key: str) -> None:
    del group[key]


def external_link(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group[ARM] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")


def external_link_to_a_group(group: h5py.Group, outside: Path) -> None:
    _replace(group, "obs")
    group["obs"] = h5py.ExternalLink(str(outside / "secret.h5"), "/")


def external_link_that_nobody_maps(group: h5py.Group, outside: Path) -> None:
    group["a/b/c"] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")


def external_link_for_the_episode(group: h5py.Group, outside: Path) -> None:
    file, name = group.file, str(group.name)
    del file[name]
    file[name] = h5py.ExternalLink(str(outside / "secret.h5"), "/")


def external_link_to_a_camera(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    group[FRONT] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")


def soft_link_over_an_external_one(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group["obs/alias"] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")
    group[ARM] = h5py.SoftLink("alias")


def soft_link_out_of_the_episode(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group[ARM] = h5py.SoftLink(f"/data/demo_0/{ARM}")


def soft_links_in_a_circle(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group[ARM], group["obs/other"] = h5py.SoftLink("other"), h5py.SoftLink("joint_pos")


def external_storage(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    kept = [(str(outside / "secret.txt"), 0, ROWS * JOINTS * 8)]
    group.create_dataset(ARM, (ROWS, JOINTS), "f8", external=kept)


def external_storage_of_pictures(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    kept = [(str(outside / "secret.txt"), 0, ROWS * 48)]
    group.create_dataset(FRONT, (ROWS, 4, 4, 3), "u1", external=kept)


def external_storage_that_nobody_maps(group: h5py.Group, outside: Path) -> None:
    group.create_dataset("spare", (4,), "f8", external=[(str(outside / "secret.txt"), 0, 32)])


def virtual(group: h5py.Group, key: str, file: str, name: str, shape: tuple[int, ...] = (ROWS, JOINTS)) -> None:
    """A virtual data set over one data set of a file; '.' is the same file."""
    layout = h5py.VirtualLayout(shape, "f8")
    layout[...] = h5py.VirtualSource(file, name, shape)
    group.create_virtual_dataset(key, layout)


def virtual_over_another_file(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    virtual(group, ARM, str(outside / "secret.h5"), "/x")


def virtual_over_external_storage(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    kept = [(str(outside / "secret.txt"), 0, ROWS * JOINTS * 8)]
    group.file.create_dataset("spare", (ROWS, JOINTS), "f8", external=kept)
    virtual(group, ARM, ".", "/spare")


def virtual_over_virtual_over_external_storage(group: h5py.Group, outside: Path) -> None:
    external_storage(group, outside)
    group.move(ARM, "inner")
    virtual(group, "middle", ".", f"{group.name}/inner")
    virtual(group, ARM, ".", f"{group.name}/middle")


def virtual_over_an_external_link(group: h5py.Group, outside: Path) -> None:
    external_link(group, outside)
    group.move(ARM, "inner")
    virtual(group, ARM, ".", f"{group.name}/inner")


def virtual_over_a_soft_link(group: h5py.Group, outside: Path) -> None:
    group.move(ARM, "inner")
    group["alias"] = h5py.SoftLink("inner")
    virtual(group, ARM, ".", f"{group.name}/alias")


def virtual_over_its_own_file_by_name(group: h5py.Group, outside: Path) -> None:
    group.move(ARM, "inner")
    virtual(group, ARM, Path(group.file.filename).name, f"{group.name}/inner")


def virtual_over_numbered_files(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    endless(group, str(outside / "secret%b.h5"), "/x", block=True)


def endless(group: h5py.Group, file: str, name: str, block: bool = False) -> None:
    """A virtual data set without end: HDF5 opens its sources to tell the shape."""
    many = h5s.UNLIMITED
    space, source = (h5s.create_simple((ROWS, JOINTS), (many, JOINTS)) for _ in range(2))
    if block:
        source = h5s.create_simple((1, JOINTS), (1, JOINTS))
        space.select_hyperslab((0, 0), (many, 1), (1, JOINTS), (1, JOINTS))
    else:
        space.select_hyperslab((0, 0), (1, 1), block=(many, JOINTS))
        source.select_hyperslab((0, 0), (1, 1), block=(many, JOINTS))
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_virtual(space, file.encode(), name.encode(), source)
    h5d.create(group.id, ARM.encode(), h5t.NATIVE_DOUBLE, space, properties)


def endless_virtual_over_another_file(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    endless(group, str(outside / "secret.h5"), "/x")


def virtual_over_itself(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    virtual(group, ARM, ".", f"{group.name}/{ARM}")


def endless_virtual_over_itself(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    endless(group, ".", f"{group.name}/{ARM}")


def two_virtual_over_each_other(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    virtual(group, ARM, ".", f"{group.name}/other")
    virtual(group, "other", ".", f"{group.name}/{ARM}")


def references(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    found = group.create_dataset(ARM, (ROWS,), h5py.ref_dtype)
    found[:] = [group.ref] * ROWS


def region_references(group: h5py.Group, outside: Path) -> None:
    external_storage(group, outside)
    group.move(ARM, "kept")
    kept: Any = group["kept"]
    found = group.create_dataset(ARM, (ROWS,), h5py.regionref_dtype)
    found[:] = [kept.regionref[0:2]] * ROWS


def references_for_pictures(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    group.create_dataset(FRONT, (ROWS,), h5py.ref_dtype)[:] = [group.ref] * ROWS


def a_stored_type(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group[ARM] = np.dtype("f8")


def records(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group[ARM] = np.zeros(ROWS, [("a", "f8"), ("b", "f8", (4,))])


def deep_groups(group: h5py.Group, outside: Path) -> None:
    group.create_group("/".join(["d"] * 60))


def unknown_filter(group: h5py.Group, outside: Path) -> None:
    packed(group, [(32015, ())])


def filter_of_no_author(group: h5py.Group, outside: Path) -> None:
    packed(group, [(h5z.FILTER_DEFLATE, (1,)), (65000, (1, 2, 3))])


def packed_twice(group: h5py.Group, outside: Path) -> None:
    packed(group, [(h5z.FILTER_DEFLATE, (9,)), (h5z.FILTER_DEFLATE, (9,))])


def packed(group: h5py.Group, filters: list[tuple[int, tuple[int, ...]]]) -> None:
    """Numbers in one chunk behind these filters; what is stored there is not what they would make."""
    _replace(group, ARM)
    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_chunk((ROWS, JOINTS))
    for number, values in filters:
        properties.set_filter(number, h5z.FLAG_OPTIONAL, values)
    space = h5s.create_simple((ROWS, JOINTS))
    made = h5d.create(group.id, ARM.encode(), h5t.NATIVE_DOUBLE, space, properties)
    made.write_direct_chunk((0, 0), zlib.compress(bytes(ROWS * JOINTS * 8)))


def bomb(group: h5py.Group, outside: Path) -> None:
    """A chunk of 288 bytes whose stream unpacks to 4 GB: HDF5 unpacks until the stream ends."""
    _replace(group, ARM)
    made = group.create_dataset(ARM, (ROWS, JOINTS), "f8", chunks=(ROWS, JOINTS), compression="gzip")
    stream = zlib.compressobj(9)
    first = stream.compress(bytes(1 << 24)) + stream.flush(zlib.Z_FULL_FLUSH)
    more = stream.compress(bytes(1 << 24)) + stream.flush(zlib.Z_FULL_FLUSH)
    made.id.write_direct_chunk((0, 0), first + more * 255 + stream.flush())


def numbers_never_written(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group.create_dataset(ARM, (10**12, JOINTS), "f8", chunks=(1024, JOINTS), fillvalue=0.5)


def numbers_never_written_that_fit(group: h5py.Group, outside: Path) -> None:
    _replace(group, ARM)
    group.create_dataset(ARM, (10**7, JOINTS), "f8", chunks=(1024, JOINTS))


def pictures_never_written(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    group.create_dataset(FRONT, (10**9, 480, 640, 3), "u1", chunks=(1, 480, 640, 3))


def pictures_of_nothing(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    group.create_dataset(FRONT, (10**12, 1, 1, 3), "u1", chunks=(1, 1, 1, 3))


def a_huge_chunk(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    made = group.create_dataset(FRONT, (ROWS, 8000, 8000, 3), "u1", chunks=(ROWS, 8000, 8000, 3), compression="gzip")
    made.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(1 << 24)))


def texts_of_gigabytes(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    kind = h5t.C_S1.copy()
    kind.set_size(2_000_000_000)
    h5d.create(group.id, FRONT.encode(), kind, h5s.create_simple((ROWS,)))


def bytes_that_are_no_picture(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    made = group.create_dataset(FRONT, (ROWS,), h5py.vlen_dtype(np.uint8))
    made[:] = [np.full(1 << 16, 7, np.uint8)] * ROWS


def lists_of_numbers_for_pictures(group: h5py.Group, outside: Path) -> None:
    _replace(group, FRONT)
    made = group.create_dataset(FRONT, (ROWS,), h5py.vlen_dtype(np.float64))
    made[:] = [np.zeros(9)] * ROWS


def a_huge_attribute(group: h5py.Group, outside: Path) -> None:
    group.attrs["language_instruction"] = "x" * (2 << 20)


def many_members(group: h5py.Group, outside: Path) -> None:
    made = group.create_group("many")
    for number in range(100_001):
        made.id.links.create_soft(b"%d" % number, b"x")


EPISODES: dict[str, tuple[Build, str]] = {
    "external link": (external_link, "is a link to another file"),
    "external link to a group": (external_link_to_a_group, "is a link to another file"),
    "external link that nobody maps": (external_link_that_nobody_maps, "a/b/c: is a link to another file"),
    "external link for the episode": (external_link_for_the_episode, "is a link to another file"),
    "external link to a camera": (external_link_to_a_camera, "is a link to another file"),
    "soft link over an external one": (soft_link_over_an_external_one, "is a link to another file"),
    "soft link out of the episode": (soft_link_out_of_the_episode, "is a link out of its episode"),
    "soft links in a circle": (soft_links_in_a_circle, "is a link out of its episode"),
    "external storage": (external_storage, "keeps its values in another file"),
    "external storage of pictures": (external_storage_of_pictures, "keeps its values in another file"),
    "external storage that nobody maps": (external_storage_that_nobody_maps, "keeps its values in another file"),
    "virtual over another file": (virtual_over_another_file, "is put together from other files"),
    "virtual over virtual over external storage": (
        virtual_over_virtual_over_external_storage,
        "keeps its values in another file|which is no plain data set",
    ),
    "virtual over an external link": (virtual_over_an_external_link, "is a link to another|which is no plain data set"),
    "virtual over a soft link": (virtual_over_a_soft_link, "which is no plain data set"),
    "virtual over its own file by name": (virtual_over_its_own_file_by_name, "is put together from other files"),
    "virtual over numbered files": (virtual_over_numbered_files, "is put together from other files"),
    "endless virtual over another file": (endless_virtual_over_another_file, "is put together from other files"),
    "virtual over itself": (virtual_over_itself, "which is no plain data set"),
    "endless virtual over itself": (endless_virtual_over_itself, "which is no plain data set"),
    "two virtual over each other": (two_virtual_over_each_other, "which is no plain data set"),
    "references": (references, "expected rows of numbers"),
    "region references": (region_references, "keeps its values in another file|expected rows of numbers"),
    "references for pictures": (references_for_pictures, "expected pictures"),
    "a stored type": (a_stored_type, "has no dataset"),
    "records": (records, "expected rows of numbers"),
    "deep groups": (deep_groups, "groups lie deeper than 12"),
    "unknown filter": (unknown_filter, "is packed by filter 32015"),
    "filter of no author": (filter_of_no_author, "is packed by filter 65000"),
    "packed twice": (packed_twice, "is packed by filter 1, expected at most one each"),
    "bomb": (bomb, "MB of memory|damaged or cut off"),
    "numbers never written": (numbers_never_written, "more than a recording holds"),
    "numbers never written that fit": (numbers_never_written_that_fit, "of which 0 are stored"),
    "pictures never written": (pictures_never_written, "of which 0 are stored"),
    "pictures of nothing": (pictures_of_nothing, "of which 0 are stored"),
    "a huge chunk": (a_huge_chunk, "bytes of a chunk: 2,304,000,000"),
    "texts of gigabytes": (texts_of_gigabytes, "of which 0 are stored"),
    "bytes that are no picture": (bytes_that_are_no_picture, "is no JPEG or PNG"),
    "lists of numbers for pictures": (lists_of_numbers_for_pictures, "expected pictures"),
    "a huge attribute": (a_huge_attribute, "bytes of attribute 'language_instruction'"),
    "many members": (many_members, "members of a group: 100,001"),
}
"""What an episode holds -> its builder, and a pattern of the reason that costs this episode and no other."""


def external_link_at_the_root(root: h5py.Group, outside: Path) -> None:
    root["more"] = h5py.ExternalLink(str(outside / "secret.h5"), "/")


def external_link_for_all_data(root: h5py.Group, outside: Path) -> None:
    del root["data"]
    root["data"] = h5py.ExternalLink(str(outside / "secret.h5"), "/")


def external_list_of_names(root: h5py.Group, outside: Path) -> None:
    root["mask/train"] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")


def list_of_names_elsewhere(root: h5py.Group, outside: Path) -> None:
    root.create_dataset("mask/train", (2,), "S8", external=[(str(outside / "secret.txt"), 0, 16)])


FILES: dict[str, tuple[Build, str]] = {
    "external link at the root": (external_link_at_the_root, "more: is a link to another file"),
    "external link for all data": (external_link_for_all_data, "is a link to another file|no reader knows"),
    "external list of names": (external_list_of_names, "is a link to another file"),
    "list of names elsewhere": (list_of_names_elsewhere, "keeps its values in another file"),
    "virtual over external storage": (
        lambda root, outside: virtual_over_external_storage(root["data/demo_1"], outside),  # type: ignore[arg-type]
        "keeps its values in another file",
    ),
}
"""What a file holds beside its episodes -> its builder, and a pattern of the reason that costs this file."""
