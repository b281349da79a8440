"""Manifests: what is drawn, how often, and that it depends on nothing but the manifest and i."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest, MixtureSource, SampleId
from gr00t_data.curate.index import Index
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, episode, sealed

Sources = list[tuple[EpisodeStore, Index]]


def source(weight: float, *episodes: EpisodeEntry) -> MixtureSource:
    return MixtureSource("nowhere", "d" * 64, "real", "CC0", weight, episodes)


LITERAL = MixtureManifest(
    name="literal",
    embodiment="gr1",
    embodiment_digest="e",
    selection="s",
    seed=0,
    sources=(
        source(0.25, EpisodeEntry(3, 10, ((2, 4), (6, 10)), "a"), EpisodeEntry(5, 2, ((0, 2),), "b")),
        source(0.75, EpisodeEntry(0, 100, ((0, 100),), "c"), EpisodeEntry(1, 100, ((0, 100),), "held out")),
    ),
    held_out=((1, 1),),
)


def test_only_kept_frames_are_drawn_and_every_one_of_them() -> None:
    drawn = {tuple(row) for row in LITERAL.draw(0, 20000).tolist()}
    kept = {(0, 3, f) for f in (2, 3, 6, 7, 8, 9)} | {(0, 5, 0), (0, 5, 1)} | {(1, 0, f) for f in range(100)}
    assert drawn == kept and LITERAL.frames == len(kept)


def test_weights_are_probabilities_of_sources_and_frames_are_uniform() -> None:
    count = 40000
    drawn = LITERAL.draw(0, count)
    assert abs((drawn[:, 0] == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / count)
    frames = Counter(map(tuple, drawn[drawn[:, 0] == 0, 1:].tolist()))
    expected = count * 0.25 / 8
    assert all(abs(times - expected) < 5 * np.sqrt(expected) for times in frames.values())


def test_sample_i_depends_on_nothing_else() -> None:
    together = LITERAL.samples(0, 50)
    assert [one for i in range(50) for one in LITERAL.samples(i, 1)] == together
    assert LITERAL.samples(20, 10) == together[20:30]
    assert LITERAL.samples(10**12, 2) == [*LITERAL.samples(10**12, 1), *LITERAL.samples(10**12 + 1, 1)]
    assert replace(LITERAL, seed=1).samples(0, 50) != together
    moved = replace(LITERAL, sources=tuple(replace(s, store="elsewhere") for s in LITERAL.sources))
    assert moved.digest == LITERAL.digest and moved.samples(0, 50) == together


def test_the_order_is_fixed_for_ever() -> None:
    assert LITERAL.digest.startswith("3d2d98357627df51")
    assert LITERAL.samples(0, 3) == [SampleId(1, 0, 90), SampleId(1, 0, 69), SampleId(0, 3, 3)]


def test_built_from_stores(sources: Sources, tmp_path: Path) -> None:
    weighted = [(store, index, weight) for (store, index), weight in zip(sources, (3, 1), strict=True)]
    manifest = build_manifest("both", GR1, weighted, seed=1, held_out_share=0.5)
    assert [s.weight for s in manifest.sources] == [0.75, 0.25]
    assert [[e.index for e in s.episodes] for s in manifest.sources] == [[0, 1], [0, 1]]
    assert [s.kind for s in manifest.sources] == ["simulated", "real"]
    assert manifest.sources[0].episodes[1] == EpisodeEntry(1, 24, ((0, 24),), "push the cube")
    assert manifest.selection == "fourier_gr1_arms_only" and manifest.embodiment_digest == GR1.digest
    assert [held for held, _ in manifest.held_out] == [0, 1]
    assert not {(s, e) for s, e, _ in manifest.draw(0, 500).tolist()} & set(manifest.held_out)
    manifest.save(tmp_path / "a.json")
    again = build_manifest("both", GR1, weighted, seed=1, held_out_share=0.5)
    again.save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert MixtureManifest.load(tmp_path / "a.json") == manifest
    assert MixtureManifest.load(tmp_path / "a.json").digest == manifest.digest


def test_held_out_share(sources: Sources) -> None:
    store, index = sources[0]
    assert build_manifest("m", GR1, [(store, index, 1)], held_out_share=0).held_out == ()
    assert len(build_manifest("m", GR1, [(store, index, 1)], held_out_share=0.01).held_out) == 1
    assert len(build_manifest("m", GR1, [(store, index, 1)], held_out_share=0.99).held_out) == 1
    single = replace(index, verdicts=index.accepted[:1])
    assert build_manifest("m", GR1, [(store, single, 1)], held_out_share=0.9).held_out == ()
    with pytest.raises(ValueError, match="held_out_share is 1, expected"):
        build_manifest("m", GR1, [(store, index, 1)], held_out_share=1)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_wrong_weights_name_the_source(sources: Sources, weight: float) -> None:
    with pytest.raises(ValueError, match=rf"source .*simulated: weight is {weight}, expected a positive number"):
        build_manifest("m", GR1, [(*sources[0], weight)])


def test_wrong_sources_are_named(sources: Sources, tmp_path: Path) -> None:
    (store, index), (_, other) = sources
    with pytest.raises(ValueError, match="has no source"):
        build_manifest("m", GR1, [])
    with pytest.raises(ValueError, match=r"simulated: none of its 1 episodes was accepted \(ROWS-02\)"):
        build_manifest("m", GR1, [(store, replace(index, verdicts=index.rejected), 1)])
    with pytest.raises(ValueError, match="simulated: has digest"):
        build_manifest("m", GR1, [(store, other, 1)])
    with pytest.raises(ValueError, match="simulated: was checked against 'gr1'"):
        build_manifest("m", replace(GR1, digest="f" * 64), [(store, index, 1)])
    with pytest.raises(ValueError, match="simulated: has no camera 'front_view', only ego_view"):
        build_manifest("m", GR1, [(store, index, 1)], selection="fourier_gr1_full_upper_body")


def test_a_store_changed_after_mixing(sources: Sources, tmp_path: Path) -> None:
    store, index = sources[0]
    manifest = build_manifest("m", GR1, [(store, index, 1)])
    other = sealed(tmp_path / "other", [episode()])
    replaced = replace(manifest.sources[0], store=str(other.root))
    with pytest.raises(ValueError, match=r"other: has digest .* make the mixture again"):
        replaced.open()


def test_not_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"sources": []}')
    with pytest.raises(ValueError, match=r"m.json: not a manifest of a mixture"):
        MixtureManifest.load(tmp_path / "m.json")
