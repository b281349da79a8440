"""Copies are found by what they hold, whatever was done to the file."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.copies.duplicates import (
    Contents,
    Copy,
    check_same_cameras,
    clusters,
    copy_findings,
    find_copies,
    likeness,
)
from gr00t_data.curate.copies.fingerprints import PICTURES, Fingerprint, fingerprint, planes
from gr00t_data.curate.robust import usual_extent
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from tests.data.builders import GR1, change_parquet, sealed
from tests.data.curate.moving import moving_episode, pictures


def fingerprints(store: EpisodeStore, name: str | None = None) -> list[Fingerprint]:
    taken = [fingerprint(store, row.index, GR1, name=name) for row in store.rows]
    return [one for one in taken if one is not None]


def copies_of(root: Path, episodes: list[Episode]) -> list[Copy]:
    return find_copies(fingerprints(sealed(root, episodes), "s"))


FIVE = [moving_episode(seed) for seed in range(5)]


def test_different_episodes_are_no_copies(tmp_path: Path) -> None:
    assert copies_of(tmp_path / "s", FIVE) == []


def test_identical(tmp_path: Path) -> None:
    found = copies_of(
        tmp_path / "s",
        [*FIVE, replace(FIVE[2], source=EpisodeSource(video="other.mp4"), instruction="other words")],
    )
    assert [(c.first, c.second, c.kind) for c in found] == [(("s", 2), ("s", 5), "identical")]
    ((index, finding),) = copy_findings(found, "s")
    assert index == 5 and finding.severity == "warning"
    assert finding.message == "s: episode 5: holds the rows and the video of episode 2 again; leave it out"


def cropped(frames: np.ndarray, pixels: int) -> np.ndarray:
    return video.resize(np.ascontiguousarray(frames[:, pixels:-pixels, pixels:-pixels]), frames.shape[1:3])


@pytest.mark.parametrize("pixels", [1, 3])
def test_cropped_noisy_and_encoded_again(tmp_path: Path, pixels: int) -> None:
    generator = np.random.default_rng(0)
    noisy = FIVE[1].state + generator.normal(0, 5e-4, FIVE[1].state.shape)
    copy = replace(FIVE[1], state=noisy, video={"ego_view": cropped(pictures(30, 1), pixels)})
    (found,) = copies_of(tmp_path / "s", [*FIVE, copy])
    assert (found.first, found.second, found.kind, found.offset) == (("s", 1), ("s", 5), "copy", 0)
    assert "is a copy of episode 1" in dict(copy_findings([found], "s"))[5].message


def test_trimmed_at_the_start(tmp_path: Path) -> None:
    whole = FIVE[3]
    copy = replace(
        whole,
        times_s=whole.times_s[6:] - whole.times_s[6],
        state=whole.state[6:],
        action=whole.action[6:],
        video={"ego_view": pictures(30, 3)[6:]},
    )
    (found,) = copies_of(tmp_path / "s", [*FIVE, copy])
    assert (found.second, found.kind, found.offset) == (("s", 5), "copy", 6)


def test_the_video_of_another_episode(tmp_path: Path) -> None:
    (found,) = copies_of(tmp_path / "s", [*FIVE, moving_episode(9, video={"ego_view": pictures(30, 4)})])
    assert (found.first, found.second, found.kind) == (("s", 4), ("s", 5), "same pictures")
    assert [(index, f.code) for index, f in copy_findings([found], "s")] == [(4, "DUP-03"), (5, "DUP-03")]


def test_one_video_of_several_episodes_is_one_finding(tmp_path: Path) -> None:
    def found(count: int) -> list[tuple[int | None, str]]:
        keys = [("s", number) for number in range(count)]
        pairs = [Copy(one, two, "same pictures") for one, two in combinations(keys, 2)]
        return [(index, finding.message) for index, finding in copy_findings(pairs, "s")]

    assert [index for index, _ in found(3)] == [0, 1, 2]
    assert "episode 1: has the pictures of episodes 0, 2, but another motion" in found(3)[1][1]
    ((index, message),) = found(25)
    assert index is None and "has the pictures of episodes 1, 2, 3" in message and "and 12 more, but" in message


def test_likeness_counts_beside_what_is_usual_in_the_store() -> None:
    """Before a fixed camera every episode of a task looks alike; only what is much nearer than usual is the same."""
    common = np.random.default_rng(0).normal(0, 1, (PICTURES, 16, 16))

    def seen(share: float) -> list[Fingerprint]:
        own = np.random.default_rng(1).normal(0, 1, (12, PICTURES, 16, 16))
        films = [np.clip(128 + 20 * (share * common + (1 - share) * one), 0, 255) for one in own]
        large = [np.kron(film, np.ones((1, 2, 2))).astype(np.uint8) for film in films]
        large.append(large[4] + 1)
        rows = np.random.default_rng(2)
        return [
            Fingerprint(("s", n), str(n), rows.normal(0, 1, (50, 3)).astype("f4"), {}, {"ego_view": film}, {})
            for n, film in enumerate(large)
        ]

    alike = seen(0.75)
    assert likeness(alike[0], alike[1], None) > 0.87, "the pictures of different episodes are alike"
    for films in (alike, seen(0.1)):
        assert [(copy.first[1], copy.second[1]) for copy in find_copies(films)] == [(4, 12)]


def test_the_motion_of_another_episode(tmp_path: Path) -> None:
    (found,) = copies_of(tmp_path / "s", [*FIVE, replace(FIVE[0], video={"ego_view": pictures(30, 8, "blue", False)})])
    assert (found.first, found.second, found.kind) == (("s", 0), ("s", 5), "same motion")


def test_a_gripper_in_percent_does_not_hide_an_arm_in_radians(tmp_path: Path) -> None:
    """Different motions of the arm with the same grasp are no copies of each other; a copied motion still is one."""
    text = (Path(__file__).parents[3] / "schemas/embodiments/so100.yaml").read_text()
    (tmp_path / "arm.yaml").write_text(text.replace("unit: deg", "unit: rad").replace("[-270.0, 270.0]", "[-4.7, 4.7]"))
    robot, rows = load_embodiment(tmp_path / "arm.yaml"), 60
    grasp = 50 - 50 * np.cos(np.linspace(0, 4 * np.pi, rows))[:, None]

    def arm(seed: int) -> np.ndarray:
        speed = np.random.default_rng(seed).normal(0, 0.06, (rows, 5))
        return np.cumsum(speed - speed.mean(0), axis=0)

    def recorded(seed: int, motion: int) -> Episode:
        state = np.concatenate([arm(motion), grasp], axis=1)
        film = {"webcam": pictures(rows, seed, "blue", False)}
        return Episode("grasp it", np.arange(rows) / 30, state, state, film)

    store = sealed(tmp_path / "s", [recorded(n, n) for n in range(4)] + [recorded(4, 1)], robot=robot)
    taken = [fingerprint(store, row.index, robot, name="s") for row in store.rows]
    found = find_copies([one for one in taken if one is not None])
    assert [(copy.first[1], copy.second[1]) for copy in found] == [(1, 4)]


def test_over_two_stores(tmp_path: Path) -> None:
    one = fingerprints(sealed(tmp_path / "one", FIVE[:3]))
    two = fingerprints(sealed(tmp_path / "two", [moving_episode(7), FIVE[2]]))
    (found,) = find_copies([*one, *two])
    assert (found.first, found.second, found.kind) == (("one", 2), ("two", 1), "identical")
    assert list(copy_findings([found], "one")) == []
    assert "of episode 2 of one again" in dict(copy_findings([found], "two"))[1].message


def test_clusters_join_chains() -> None:
    keys = [("s", n) for n in range(5)]
    joined = clusters(keys, [Copy(keys[3], keys[1], "copy"), Copy(keys[3], keys[4], "copy")])
    assert joined == {keys[0]: keys[0], keys[1]: keys[1], keys[2]: keys[2], keys[3]: keys[1], keys[4]: keys[1]}


def test_pictures_that_were_decoded_before_do_as_well(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [*FIVE[:2], FIVE[0]])
    given = [
        fingerprint(store, n, GR1, {"ego_view": planes(video.decode(store.video_path(n, "ego_view"), (64, 64)))})
        for n in range(3)
    ]
    assert [c.kind for c in find_copies([one for one in given if one])] == ["identical"]


def test_rows_that_cannot_be_read_have_no_fingerprint(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", FIVE[:2])
    change_parquet(store, 0, lambda table: table.drop_columns(["action"]))
    assert fingerprint(store, 0, GR1) is None and fingerprint(store, 1, GR1) is not None


def test_two_cameras_that_show_the_same(tmp_path: Path) -> None:
    same = moving_episode(0, video={"ego_view": pictures(30, 0), "front_view": pictures(30, 0)})
    other = moving_episode(1, video={"ego_view": pictures(30, 1), "front_view": pictures(30, 1, "blue", False)})
    store = sealed(tmp_path / "s", [same, other])
    found = check_same_cameras(Contents(store, GR1, fingerprints(store)))
    assert [(index, finding.code) for index, finding in found] == [(0, "DUP-04")]


def test_a_robot_at_rest_is_compared_by_its_background(tmp_path: Path) -> None:
    still = np.repeat(pictures(1, 5), 30, 0)
    episodes = [*FIVE, replace(FIVE[0], video={"ego_view": still}), replace(FIVE[0], video={"ego_view": still})]
    kinds = {(c.first[1], c.second[1]): c.kind for c in copies_of(tmp_path / "s", episodes)}
    assert kinds[5, 6] == "identical" and kinds[0, 5] == "same motion"


def test_one_bad_value_does_not_hide_how_far_episodes_move() -> None:
    motions = [np.random.default_rng(seed).normal(size=(50, 3)) for seed in range(5)]
    whole = usual_extent(motions)
    motions[2][7, 1] = np.nan
    motions[3][9, 1] = np.inf
    assert usual_extent(motions)[[0, 2]].tolist() == whole[[0, 2]].tolist()
    assert usual_extent(motions)[1] == pytest.approx(whole[1], rel=0.05)
    nothing = [np.column_stack([motion[:, 0], np.full(50, np.nan)]) for motion in motions]
    assert np.isfinite(usual_extent(nothing)).tolist() == [True, False]
