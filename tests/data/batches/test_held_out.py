"""The held-out episodes of a mixture take their copies along."""

from pathlib import Path

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.held_out import held_out_episodes
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.curate.finding import Verdict
from gr00t_data.curate.index import Index
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, sealed
from tests.data.curate.moving import moving_episode


def accepted(store: EpisodeStore) -> Index:
    """The index of a store whose episodes were all found good."""
    verdicts = tuple(Verdict(r.index, True, r.length, ((0, r.length),), r.instruction, ()) for r in store.rows)
    return Index(str(store.root), store.digest, GR1.name, GR1.digest, "", (), verdicts)


def mixed(stores: list[EpisodeStore], seed: int = 0, share: float = 0.3) -> MixtureManifest:
    sources = [(store, accepted(store), 1.0) for store in stores]
    return build_manifest("m", GR1, sources, seed=seed, held_out_share=share)


def test_copies_are_on_one_side_for_every_seed(tmp_path: Path) -> None:
    one = sealed(tmp_path / "one", [moving_episode(n) for n in range(6)])
    two = sealed(tmp_path / "two", [moving_episode(n) for n in (10, 3, 11, 5)])
    for seed in range(5):
        manifest = mixed([one, two], seed)
        assert manifest.held_out
        held = set(manifest.held_out)
        assert ((0, 3) in held) == ((1, 1) in held) and ((0, 5) in held) == ((1, 3) in held)
    assert mixed([one, two]).held_out == mixed([one, two]).held_out


def test_without_copies_the_choice_is_that_of_the_hash(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [moving_episode(n) for n in range(6)])
    manifest = mixed([store])
    alone = {("0", n): ("0", n) for n in range(6)}
    assert manifest.held_out == held_out_episodes(manifest.sources, alone, 0.3, 0) and len(manifest.held_out) == 2
    assert held_out_episodes(manifest.sources, alone, 0, 0) == ()
