"""What is kept between mixtures changes nothing: the same numbers and the same manifests, read or remembered."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.statistics import kept_tallies, tally
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from tests.model.tiny import episode

GR1 = load_embodiment("gr1")
Checked = list[tuple[EpisodeStore, Index]]


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> Checked:
    """Six stores of two episodes; the last holds a trimmed copy of an episode of the first."""
    root = tmp_path_factory.mktemp("stores")
    found = []
    for number in range(6):
        writer = StoreWriter.create(root / f"store{number}", GR1, kind="real", licence="x")
        for one in range(2):
            writer.append(episode(2 * number + one))
        if number == 5:
            writer.append(trimmed(episode(0)))
        store = writer.seal()
        found.append((store, build_index(store, GR1, root / "index")))
    return found


def trimmed(one):
    """The episode without its first rows."""
    frames = {camera: values[3:] for camera, values in one.video.items()}
    times = one.times_s[3:] - one.times_s[3]
    return replace(one, times_s=times, state=one.state[3:], action=one.action[3:], video=frames)


def manifest(checked: Checked, kept: Path | None):
    return build_manifest("m", GR1, [(*pair, 1.0) for pair in checked], held_out_share=0.3, kept=kept)


def test_manifests_are_the_same_with_kept_motions(checked: Checked, tmp_path: Path) -> None:
    read = manifest(checked, None)
    assert manifest(checked[:-1], tmp_path).digest == manifest(checked[:-1], None).digest
    assert manifest(checked, tmp_path).digest == read.digest
    assert len(list(tmp_path.iterdir())) == 6
    for store, _ in checked:
        shutil.move(store.root / "data", store.root / "gone")
    try:
        assert manifest(checked, tmp_path).digest == read.digest  # no row is read
    finally:
        for store, _ in checked:
            shutil.move(store.root / "gone", store.root / "data")
    held = set(read.held_out)
    assert ((0, 0) in held) == ((5, 2) in held)  # the copy went with its original


def test_statistics_of_groups_do_not_depend_on_what_was_there(checked: Checked, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tally, "EXACT_ROWS", 30)
    monkeypatch.setattr(kept_tallies, "EXACT_ROWS", 30)
    without = measure(checked, GR1)
    measure(checked[:-1], GR1, kept=tmp_path)
    assert measure(checked, GR1, kept=tmp_path).digest == without.digest
    assert measure(checked[::-1], GR1, kept=tmp_path).digest == without.digest
    letters = {store.digest[0] for store, _ in checked}
    assert len(list(tmp_path.glob("group-gr1-*-state-*"))) == len(letters)  # old groups are gone
    monkeypatch.setattr(tally, "EXACT_ROWS", 10**6)
    monkeypatch.setattr(kept_tallies, "EXACT_ROWS", 10**6)
    exact = measure(checked, GR1)
    for name, part in exact.action.items():
        np.testing.assert_allclose(without.action[name].mean, part.mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(without.action[name].std, part.std, rtol=1e-9, atol=1e-12)
        assert without.action[name].min == part.min and without.action[name].count == part.count
