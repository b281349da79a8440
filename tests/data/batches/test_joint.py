"""Two robots in one batch: order, slots, views, masks, and that each row keeps its own statistics."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gr00t_data.batches.batch import Batch, merge_rows
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.loader import JointOrder, Loader
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.disk import read_json, write_json
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import SEAL
from tests.data.builders import GR1
from tests.data.so100 import SO100, so100_member

OPTIONS: dict[str, Any] = {"batch_size": 8, "max_state_dim": 64, "max_action_dim": 32, "horizon": 16}


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Member:
    return so100_member(tmp_path_factory.mktemp("arm"), weight=3.0)


@pytest.fixture
def members(manifest: MixtureManifest, statistics: NormStats, arm: Member) -> tuple[Member, ...]:
    return (Member(manifest, statistics, GR1), arm)


@pytest.fixture
def cache(tmp_path: Path) -> FramesCache:
    return FramesCache(tmp_path / "frames", (8, 8))


@pytest.fixture
def loader(members: tuple[Member, ...], cache: FramesCache) -> Loader:
    return Loader(members, cache=cache, tokenize=tokens, horizon_frames=16, **OPTIONS)


def tokens(instructions: list[str], images: int | Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    counts = [images] * len(instructions) if isinstance(images, int) else images
    ids = np.array([[len(text), count] for text, count in zip(instructions, counts, strict=True)], dtype=np.int64)
    return ids, np.ones_like(ids)


def test_a_member_is_drawn_by_its_weight(members: tuple[Member, ...]) -> None:
    order = JointOrder.of(members)
    chosen = order.members(0, 40_000)
    assert abs((chosen == 1).mean() - 0.75) < 0.01
    rows = order.draw(100, 50)
    assert np.array_equal(rows, order.draw(90, 70)[10:60])
    assert np.array_equal(rows[rows[:, 0] == 1, 1:], members[1].manifest.draw(100, 50)[rows[:, 0] == 1])


def test_one_member_alone_is_its_own_order(manifest: MixtureManifest, statistics: NormStats) -> None:
    alone = Loader([Member(manifest, statistics, GR1)], with_images=False, **OPTIONS)
    for step, batch in zip(range(2), alone, strict=False):
        assert alone.samples(step) == manifest.samples(8 * step, 8)
        assert batch.sample_ids == tuple(map(alone.rows[0].name, manifest.samples(8 * step, 8)))
        assert batch.view_mask is None


def test_every_row_goes_through_its_own_robot(loader: Loader, members: tuple[Member, ...], cache: FramesCache) -> None:
    samples = loader.samples(0)
    batch = loader.batch_of(samples)
    which = np.array([sample.member for sample in samples])
    assert set(which) == {0, 1}
    assert batch.embodiment_id.tolist() == [SO100.slot if member else GR1.slot for member in which]
    assert batch.images is not None and batch.images.shape == (8, 2, 8, 8, 3)
    assert batch.view_mask is not None and batch.view_mask[:, 0].all()
    assert batch.view_mask[:, 1].tolist() == (which == 1).tolist()
    assert batch.action is not None and batch.action_mask is not None
    widths = batch.action_mask[:, 0].sum(dim=1).tolist()
    assert widths == [6 if member else 26 for member in which]
    assert batch.input_ids is not None and batch.input_ids[:, 1].tolist() == [1 + member for member in which]
    for row, sample in enumerate(samples):
        alone = Loader([members[sample.member]], cache=cache, tokenize=tokens, horizon_frames=16, **OPTIONS)
        own = alone.batch_of([sample._replace(member=0)])
        assert torch.equal(batch.state[row], own.state[0]) and own.action is not None
        assert torch.equal(batch.action[row], own.action[0]) and batch.sample_ids[row] == own.sample_ids[0]
        assert own.images is not None
        assert torch.equal(batch.images[row, : own.images.shape[1]], own.images[0])
        assert not batch.images[row, own.images.shape[1] :].any()
        assert torch.equal(batch.state_mask[row], own.state_mask[0])


def test_ranks_and_restarts_see_the_same_rows(members: tuple[Member, ...]) -> None:
    whole = Loader(members, with_images=False, **OPTIONS)
    halves = [
        Loader(members, with_images=False, rank=rank, world=2, start_step=1, **OPTIONS | {"batch_size": 4})
        for rank in (0, 1)
    ]
    expected = whole.batch_of(whole.samples(1))
    parts = [next(iter(half)) for half in halves]
    assert expected.sample_ids == parts[0].sample_ids + parts[1].sample_ids
    assert torch.equal(expected.state, torch.cat([part.state for part in parts]))


def test_a_shorter_horizon_is_masked(members: tuple[Member, ...]) -> None:
    short = (members[0], replace(members[1], acting_steps=5))
    loader = Loader(short, with_images=False, **OPTIONS)
    samples = loader.samples(0)
    batch = loader.batch_of(samples)
    assert batch.action_mask is not None
    for row, sample in enumerate(samples):
        steps = batch.action_mask[row].any(dim=1)
        assert not sample.member or not steps[5:].any()
        assert steps[0]


def test_cached_tokens_are_padded_on_the_left(loader: Loader) -> None:
    def attach(samples: Sequence[SampleId], batch: Batch) -> Batch:
        member = samples[0].member
        tokens = 3 + 2 * member
        features = torch.full((len(batch), tokens, 4), float(member + 1))
        return replace(batch, images=None, future_images=None, vl_features=features, attention_mask=torch.ones(len(batch), tokens, dtype=torch.int64))  # fmt: skip # noqa: E501

    loader.with_images = False
    samples = loader.samples(0)
    batch = loader.batch_of(samples, attach)
    assert batch.vl_features is not None and batch.attention_mask is not None
    for row, sample in enumerate(samples):
        lacking = 0 if sample.member else 2
        assert batch.attention_mask[row].tolist() == [0] * lacking + [1] * (5 - lacking)
        assert (batch.vl_features[row, lacking:] == sample.member + 1).all()
        assert not batch.vl_features[row, :lacking].any()


def test_rows_that_do_not_go_together(members: tuple[Member, ...], manifest: MixtureManifest) -> None:
    gr1, arm = members
    with pytest.raises(ValueError, match="both use slot 24"):
        Loader([gr1, replace(arm, embodiment=replace(SO100, slot=24))], with_images=False, **OPTIONS)
    other = replace(gr1.statistics, measured="other")
    with pytest.raises(ValueError, match=r"both of embodiment 'gr1' .* measure them together"):
        Loader([gr1, replace(gr1, statistics=other)], with_images=False, **OPTIONS)
    with pytest.raises(ValueError, match="weight is -1"):
        Loader([gr1, replace(arm, weight=-1)], with_images=False, **OPTIONS)
    with pytest.raises(ValueError, match="at least one mixture"):
        Loader([], with_images=False, **OPTIONS)
    plain = Loader([Member(manifest, gr1.statistics, GR1)], with_images=False, **OPTIONS)
    part = plain.batch_of(plain.samples(0))
    with pytest.raises(ValueError, match="some rows of the batch have action and others have not"):
        merge_rows([part, replace(part, action=None)], list(range(16)))


@pytest.mark.parametrize(
    ("kind", "absent", "real"),
    [
        ("neural", ["state"], 0),
        ("neural", None, 6),
        ("real", ["state.gripper"], 5),
        ("human", None, 0),
        ("human", [], 6),
    ],
)
def test_a_state_that_was_not_recorded_is_masked(
    tmp_path: Path, kind: Kind, absent: list[str] | None, real: int
) -> None:
    arm = so100_member(tmp_path, episodes=1, kind=kind, absent=absent)
    loader = Loader([arm], with_images=False, **OPTIONS)
    batch = loader.batch_of(loader.samples(0))
    assert batch.state_mask.sum(dim=(1, 2)).tolist() == [real] * 8
    assert not batch.state[~batch.state_mask].any()
    assert loader.rows[0].stateless == ([str(tmp_path / "so100")] if real == 0 else [])
    assert batch.action_mask is not None and batch.action_mask.any() == (kind != "human")


def test_an_unknown_absent_part_is_named(tmp_path: Path) -> None:
    arm = so100_member(tmp_path, episodes=1)
    about = tmp_path / "so100/meta/about.json"
    (tmp_path / "so100" / SEAL).unlink()
    write_json(about, read_json(about) | {"absent": "gripper"})
    with pytest.raises(ValueError, match=r"about\.json: absent is 'gripper'; expected a list"):
        Loader([arm], with_images=False, **OPTIONS)


def test_published_behaviour_counts_steps_past_the_end(tmp_path: Path) -> None:
    arm = so100_member(tmp_path, episodes=1)
    made = [Loader([arm], with_images=False, published_behaviour=published, **OPTIONS) for published in (False, True)]
    last = [sample for sample in arm.manifest.samples(0, 200) if sample.frame == 29][:1]
    masks = [loader.batch_of(last).action_mask for loader in made]
    assert [int(mask.sum()) for mask in masks if mask is not None] == [6, 16 * 6]
