"""What belongs together is not split, and a split that does so is named."""

from pathlib import Path

import pytest

from gr00t_data.curate.copies.fingerprints import Key
from gr00t_data.curate.copies.leakage import choose_held_out, episode_groups, leaks, place_of, split_findings
from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.store.episode import EpisodeRow
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_info, sealed
from tests.data.curate.moving import moving_episode, moving_store


def alone(*counts: int) -> dict[Key, Key]:
    keys = [(str(s), n) for s, count in enumerate(counts) for n in range(count)]
    return {key: key for key in keys}


def test_places() -> None:
    def place(source: dict[str, object] | None) -> str | None:
        return place_of(EpisodeRow(0, 10, (), source=EpisodeSource.model_validate(source or {})))

    assert place(None) is None and place({"file": "a.h5"}) is None
    assert place({"video": "kitchen.mp4", "start_s": 1}) == place({"video": "kitchen.mp4", "start_s": 9})
    assert place({"simulator": "tabletop", "task": "push", "seed": 1}) != place(
        {"simulator": "tabletop", "task": "push", "seed": 2}
    )


def test_groups_by_copy_and_by_place(tmp_path: Path) -> None:
    scenes = [{"video": "a.mp4"}, {"video": "b.mp4"}, {"video": "a.mp4"}]
    one = sealed(tmp_path / "one", [moving_episode(n, source=source) for n, source in enumerate(scenes)])
    two = sealed(tmp_path / "two", [moving_episode(5), moving_episode(1)])
    groups = episode_groups([(one, [0, 1, 2]), (two, [0, 1])], GR1)
    assert groups[("0", 2)] == ("0", 0) and groups[("1", 1)] == ("0", 1) and groups[("1", 0)] == ("1", 0)


def test_a_place_that_all_share_groups_nothing(tmp_path: Path) -> None:
    store = moving_store(tmp_path / "s", 4, source={"video": "one.mp4"})
    groups = episode_groups([(store, range(4))], GR1)
    assert all(key == root for key, root in groups.items())


def test_single_episodes_are_held_out_in_order() -> None:
    assert choose_held_out([[3, 1, 0, 2], [1, 0]], [2, 1], alone(4, 2)) == [(0, 1), (0, 3), (1, 1)]
    assert choose_held_out([[0]], [0], alone(1)) == []


def test_groups_stay_whole() -> None:
    groups = alone(4, 2) | {("0", 1): ("0", 0), ("1", 1): ("0", 3)}
    held = choose_held_out([[3, 1, 0, 2], [1, 0]], [2, 1], groups)
    # 3 takes its copy in the other source along; 1 and 0 together would be one too many; 2 fits.
    assert held == [(0, 2), (0, 3), (1, 1)]
    assert leaks([("0", 0), ("0", 1), ("1", 0)], [("0", 2), ("0", 3), ("1", 1)], groups) == []
    assert leaks([("0", 0)], [("0", 1), ("0", 2)], groups) == [(("0", 0), ("0", 1))]


def test_something_is_held_out_although_groups_are_large() -> None:
    groups = {("0", n): ("0", n // 3 * 3) for n in range(6)}
    assert choose_held_out([[5, 0, 1, 2, 3, 4]], [1], groups) == [(0, 3), (0, 4), (0, 5)]


def test_one_group_cannot_be_split() -> None:
    assert choose_held_out([[1, 0]], [1], {("0", 0): ("0", 0), ("0", 1): ("0", 0)}) == []


def test_simulator_stores_with_the_same_seeds(tmp_path: Path) -> None:
    first, second, third = (record_episode("reach", seed, image_size=64) for seed in (5, 6, 7))
    one, two = sealed(tmp_path / "one", [first, second]), sealed(tmp_path / "two", [third, second])
    groups = episode_groups([(one, [0, 1]), (two, [0, 1])], GR1)
    assert groups[("1", 1)] == ("0", 1) and len(set(groups.values())) == 3


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return sealed(tmp_path / "s", [*[moving_episode(n) for n in range(4)], moving_episode(1)])


def splits(store: EpisodeStore, **ranges: str) -> list[tuple[str, str]]:
    changed = change_info(store, splits=ranges)
    groups = episode_groups([(changed, range(5))], GR1)
    return [(finding.code, finding.message) for finding in split_findings(changed, groups)]


def test_copies_on_both_sides(store: EpisodeStore) -> None:
    ((code, message),) = splits(store, train="0:3", val="3:5")
    assert code == "SPLIT-02" and "'train' and 'val' part episodes that belong together (1 and 4)" in message
    assert splits(store, train="0:2,4:5", val="2:4") == []


def test_ranges_that_overlap_or_lead_nowhere(store: EpisodeStore) -> None:
    codes = [code for code, _ in splits(store, train="0:3", val="2:4", test="everything")]
    assert codes == ["SPLIT-03", "SPLIT-01"]
    ((code, message),) = splits(store, train="0:100")
    assert code == "SPLIT-03" and "is '0:100', the store has 5 episodes" in message
