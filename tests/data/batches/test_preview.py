"""What a mixture will do, and how two differ: numbers by hand."""

from dataclasses import replace

import pytest

from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest, MixtureSource
from gr00t_data.batches.mixture.preview import difference, preview


def source(name: str, kind: str, weight: float, lengths: list[int], instruction: str) -> MixtureSource:
    entries = tuple(EpisodeEntry(i, n, ((0, n),), instruction) for i, n in enumerate(lengths))
    return MixtureSource(f"/stores/{name}", f"{name}-digest", kind, "CC-BY-4.0", weight, entries)


@pytest.fixture
def manifest() -> MixtureManifest:
    sources = (
        source("large", "real", 0.1, [400, 300, 300], "pick the cup"),
        source("tiny", "simulated", 0.9, [10, 10], "push the cup"),
    )
    return MixtureManifest("mixture_gr1", "gr1", "e", "arms", 0, sources, held_out=((0, 1),))


def test_preview(manifest: MixtureManifest) -> None:
    seen = preview(manifest, control_hz=20, samples=7200)
    large, tiny = seen.sources
    assert (seen.frames, seen.samples, seen.hours) == (720, 7200, 0.01)
    assert (large.episodes, large.held_out, large.frames) == (2, 1, 700)
    assert large.repeats == pytest.approx(720 / 700) and tiny.repeats == pytest.approx(6480 / 20)
    assert tiny.repeats_per_epoch == pytest.approx(32.4)
    assert seen.kinds == {"real": 0.1, "simulated": 0.9} and seen.tasks == {"push the cup": 0.9, "pick the cup": 0.1}
    assert [warning.split(":")[0] for warning in seen.warnings] == ["large", "tiny"]
    assert "97% of the frames and gets 10%" in seen.warnings[0] and "drawn 324 times" in seen.warnings[1]


def test_a_mixture_that_leaves_nothing_to_evaluate_on_says_so(manifest: MixtureManifest) -> None:
    seen = preview(replace(manifest, held_out=()), control_hz=20)
    assert seen.warnings[0].startswith("no episode is held out, so nothing is left to evaluate on")


def test_the_horizon_is_the_same_time_in_every_source(manifest: MixtureManifest) -> None:
    fast = replace(manifest.sources[0], recorded_hz=30.0)
    seen = preview(replace(manifest, sources=(fast, manifest.sources[1])), control_hz=20, horizon=16)
    assert [row.horizon_s for row in seen.sources] == [0.8, 0.8]
    assert [(row.hz, row.horizon_frames) for row in seen.sources] == [(30, 24), (20, 16)]
    assert seen.hours == pytest.approx((700 / 30 + 20 / 20) / 3600)


def test_many_tasks_are_summed_up(manifest: MixtureManifest) -> None:
    entries = tuple(EpisodeEntry(i, 10, ((0, 10),), f"task {i:02}") for i in range(30))
    one = replace(manifest.sources[0], weight=1.0, episodes=entries)
    seen = preview(replace(manifest, sources=(one,), held_out=()), control_hz=20)
    assert len(seen.tasks) == 21 and seen.tasks["(10 others)"] == pytest.approx(1 / 3)


def test_difference(manifest: MixtureManifest) -> None:
    moved = replace(manifest.sources[0], store="/elsewhere/large")
    assert difference(manifest, replace(manifest, sources=(moved, manifest.sources[1]))).facts() == {}
    fewer = replace(manifest.sources[0], weight=0.2, episodes=manifest.sources[0].episodes[:2])
    new = source("new", "neural", 0.8, [5], "x")
    changed = replace(manifest, seed=3, sources=(fewer, new), held_out=((0, 0),))
    assert difference(manifest, changed).facts() == {
        "seed": {"before": 0, "after": 3},
        "sources_removed": ["tiny"],
        "sources_added": ["new"],
        "sources": {
            "large": {
                "episodes_removed": [2],
                "now_held_out": [0],
                "no_longer_held_out": [1],
                "weight": {"before": 0.1, "after": 0.2},
            }
        },
    }
