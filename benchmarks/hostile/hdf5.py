"""Attacks on HDF5: what an episode, a file or the poses of a video can hold that leads out, crashes or never ends."""

from collections.abc import Callable
from functools import partial

import h5py

from benchmarks.hostile.beside import episodes_in, ingested
from benchmarks.hostile.case import Place, attacks
from tests.data import films
from tests.data.sources import hdf5_attacks, test_hdf5
from tests.data.sources.human import ego_films, hand_files


def _episode(build: hdf5_attacks.Build, place: Place) -> None:
    """The second of two episodes of one file."""
    hdf5_attacks.secrets(place.outside)
    path = test_hdf5.robomimic_file(place.drop / "demo.hdf5", (12, 12))
    with h5py.File(path, "a") as file:
        group = file["data/demo_1"]
        assert isinstance(group, h5py.Group)
        build(group, place.outside)


def _file(build: hdf5_attacks.Build, place: Place) -> None:
    """The second of two files."""
    hdf5_attacks.secrets(place.outside)
    test_hdf5.robomimic_file(place.drop / "a.hdf5", (12,))
    with h5py.File(test_hdf5.robomimic_file(place.drop / "b.hdf5", (12, 12)), "a") as file:
        build(file, place.outside)


def _cut(share: float, place: Place) -> None:
    test_hdf5.robomimic_file(place.drop / "a.hdf5", (12,))
    content = test_hdf5.robomimic_file(place.drop / "b.hdf5", (12,)).read_bytes()
    (place.drop / "b.hdf5").write_bytes(content[: int(len(content) * share)])


def _linked(place: Place) -> None:
    test_hdf5.robomimic_file(place.drop / "a.hdf5", (12,))
    test_hdf5.robomimic_file(place.outside / "secret.hdf5", (12,))
    (place.drop / "b.hdf5").symlink_to(place.outside / "secret.hdf5")


def _poses(kind: str, key: str, place: Place) -> None:
    """The second of two videos with EgoDex poses beside them."""
    hdf5_attacks.secrets(place.outside)
    for number in range(2):
        frames = ego_films.turning([(2.0, 0.05)], seed=number)
        films.film(place.drop / f"{number}.mp4", frames, fps=30)
        hand_files.write_egodex(place.drop / f"{number}.hdf5", hand_files.motion(len(frames), seed=number))
    shape = (len(frames), 4, 4)
    with h5py.File(place.drop / "1.hdf5", "a") as file:
        del file[key]
        if kind == "link":
            file[key] = h5py.ExternalLink(str(place.outside / "secret.h5"), "/x")
        elif kind == "storage":
            kept = [(str(place.outside / "secret.txt"), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset(key, shape, "f8", external=kept)
        elif kind == "virtual":
            hdf5_attacks.virtual(file, key, str(place.outside / "secret.h5"), "/x", shape)
        else:
            file.create_dataset(key, (10**12, 4, 4), "f8", chunks=(1024, 4, 4))


def _human(place: Place) -> list[str]:
    options = ("--faces", "none", "--consent", "research", "--participant", "P1", "--labels", "wrist")
    return ["human", "ingest", str(place.drop), *options]


def _variants(
    build: Callable[[hdf5_attacks.Build, Place], None], found: dict[str, tuple[hdf5_attacks.Build, str]]
) -> list[tuple[str, Callable[[Place], object], str]]:
    return [(name, partial(build, one), reason) for name, (one, reason) in found.items()]


attacks(
    "HDF5 episodes",
    ingested(test_hdf5.MAPPING),
    *_variants(_episode, hdf5_attacks.EPISODES),
    beside=episodes_in(1),
)
attacks(
    "HDF5 files",
    ingested(test_hdf5.MAPPING),
    *_variants(_file, hdf5_attacks.FILES),
    *((f"cut at {share:.0%}", partial(_cut, share), r"refused b\.hdf5") for share in (0.001, 0.1, 0.5, 0.9)),
    ("a link out of the drop", _linked, "is a link out of the dataset"),
    beside=episodes_in(1),
)
attacks(
    "EgoDex poses",
    _human,
    *(
        (f"{kind} for {key}", partial(_poses, kind, key), reason)
        for kind, reason in (("link", "another file"), ("storage", "another file"), ("virtual", "other files"))
        for key in ("transforms/camera", "transforms/leftHand")
    ),
    ("a shape of 1e12", partial(_poses, "shape", "transforms/camera"), "the video has 60 frames"),
    beside=episodes_in(1),
)
