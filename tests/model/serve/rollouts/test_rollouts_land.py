"""A policy acts in the simulator and is recorded; the landing takes that in; a mixture and a training take it on."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.lake import Lake
from gr00t_data.sources.content import acted
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.landing.landing import look, take_in
from gr00t_data.sources.sim.env import TabletopEnv
from gr00t_data.sources.sim.expert import Expert
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import MixtureSettings, Shares
from gr00t_data.stages.stores import check, sealed_stores
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.terms.withdrawal import Withdrawal, Withdrawals
from gr00t_model.lineage.acted import acting_policy
from gr00t_model.lineage.record import chain_of
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Actions, Policy
from gr00t_model.serve.rollouts.recording import Recorder
from gr00t_model.serve.steps import Step, end_payload, record_payload
from gr00t_model.training.config import Data
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.serve.rollouts.rolling import GR1, POLICY, ROOMY, chunk, observation, recorder, tell
from tests.model.tiny import TinyLake, build

SEED = 1_000_000


class Night(NamedTuple):
    """A lake with demonstrations, a checkpoint that was trained on them, and a drop of rollouts of it."""

    lake: Lake
    tiny: TinyLake
    checkpoint: Path


def acts(policy: Policy, to: Recorder, name: str, seed: int, helped_from: int | None, most: int = 60) -> bool:
    """An episode in the simulator, told step by step; the robot goes a tenth of the way to what it is told. From one
    step on the expert acts in place of the policy."""
    env = TabletopEnv("reach", 64)
    seen, info = env.reset(seed)
    done, row, expert = False, 0, None
    answer: Actions = {}
    chosen = policy.selection
    while not done and row < most:
        asked: dict[str, object] = {"video.ego_view": seen["video"]["ego_view"][None]}
        asked |= {f"state.{name}": seen["state"][None, GR1.state_part(name).slice] for name in chosen.state}
        asked |= {chosen.language: [seen["instruction"]]}
        due = row % 8
        answer = policy.get_action(asked) if due == 0 else answer
        expert = Expert(env.world) if row == helped_from else expert
        command = seen["state"].copy()
        for key, values in answer.items():
            place = GR1.action_part(key.removeprefix("action.")).slice
            command[place] += 0.1 * (values[due] - command[place])
        command = expert.act() if expert else command
        executed = {key: command[GR1.action_part(key.removeprefix("action.")).slice] for key in answer}
        told = Step(asked, executed, 5.0 + row / 20, expert is not None, answer if due == 0 else None, due)
        to.record("robot", record_payload(name, [told]))
        seen, _, _, done, info = env.step(command)
        done, row = done or info["success"], row + 1
    to.end_episode("robot", end_payload(name, info["success"]))
    return info["success"]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    root = tmp_path_factory.mktemp("rolls")
    tiny = build(root / "tiny")
    run = prepare_run(tiny.config(steps=2), root / "runs")
    train(run, StopRequest())
    lake = Lake(root / "lake")
    shutil.copytree(tiny.store, lake.stores / "demos")
    policy = Policy.from_checkpoint(run.checkpoint)
    made = Recorder(
        lake.landing / "night", GR1, policy.selection, policy.horizon, acting_policy(run.checkpoint), bounds=ROOMY
    )
    assert acts(policy, made, "helped", SEED, helped_from=16)
    assert not acts(policy, made, "alone", SEED + 1, helped_from=None, most=30)
    made.asked("stranger", observation(0), chunk(0))
    assert made.close(60)
    return Night(lake, tiny, run.checkpoint)


def test_a_drop_of_rollouts_is_taken_in_as_what_it_is(night: Night) -> None:
    assert ("night", "rollout") in [(drop.key, drop.kind) for drop in look(night.lake, {}, 0.0, None).ready]
    store = take_in(night.lake, "night", GR1)
    store.verify()
    facts = acting_policy(night.checkpoint)
    assert (store.kind, store.licence, store.about.embodiment) == ("rollout", "own", "gr1")
    assert store.about.absent == EpisodeStore.open(night.lake.landing / "night").about.absent
    assert [row.source.policy for row in store.rows] == [facts, facts]
    told = acted(store)
    assert told.pop("rows of interventions") == store.rows[0].source.interventions
    assert told == {
        "policies": f"{night.checkpoint.name} {str(facts['digest'])[:16]}",
        "succeeded": 1,
        "failed": 1,
        "success not told": 0,
    }


def test_who_brings_it_in_by_hand_does_not_make_it_a_demonstration(night: Night, tmp_path: Path) -> None:
    store = ingest(night.lake.landing / "night", GR1, Lake(tmp_path))
    assert (store.kind, store.licence) == ("rollout", "own")


def test_a_failure_is_rejected_and_said_so(night: Night) -> None:
    helped, alone = check(night.lake, take_in(night.lake, "night", GR1), GR1).verdicts
    assert helped.accepted, helped.findings
    assert not alone.accepted and "SUCCESS-01" in alone.codes


def test_what_was_only_asked_is_no_part_of_a_mixture(night: Night) -> None:
    store = take_in(night.lake, "night-2", GR1)
    (verdict,) = check(night.lake, store, GR1).verdicts
    assert store.about.absent and "action" in store.about.absent
    assert not verdict.accepted and "SUCCESS-03" in verdict.codes
    with pytest.raises(StoreError, match="no accepted episode"):
        mix(night.lake, GR1, MixtureSettings(stores=["night-2"]))


def test_a_training_step_learns_from_what_a_person_mended(night: Night, tmp_path: Path) -> None:
    take_in(night.lake, "night", GR1)
    names = [store.root.name for store in sealed_stores(night.lake, GR1) if store.root.name != "night-2"]
    shares = {"stores": names, "weights": {"night": 0.5}, "rollouts": "interventions"}
    _, statistics = measure_statistics(night.lake, GR1, Shares.model_validate(shares))
    manifest, path = mix(night.lake, GR1, MixtureSettings.model_validate(shares | {"held_out_share": 0.0}))
    (source,) = (one for one in manifest.sources if one.kind == "rollout")
    (entry,) = source.episodes
    store = EpisodeStore.open(source.store)
    by_hand = store.matrix(entry.index, "intervention")[:, 0] > 0
    assert entry.keep and all(by_hand[first:end].all() for first, end in entry.keep)
    assert source.weight == 0.5 and "none: random weights" in source.licence and "own" in source.licence
    data = Data(manifest=str(path), statistics=str(statistics), cache=str(night.lake.cache))
    run = prepare_run(night.tiny.config(steps=2, data=data), tmp_path / "runs")
    train(run, StopRequest())
    seen = [one for link in chain_of(run.checkpoint) for one in link.episodes]
    assert {one.kind for one in seen} == {"rollout", "simulated"}


def test_all_frames_are_drawn_unless_interventions_are_asked_for(night: Night) -> None:
    take_in(night.lake, "night", GR1)
    manifest, path = mix(night.lake, GR1, MixtureSettings(stores=["night"], held_out_share=0.0))
    assert MixtureManifest.load(path).sources[0].episodes[0].keep[0][0] == 0 and manifest.frames > 16


def test_the_licences_of_the_policy_and_the_people_it_knows_stay_with_its_rollouts(tmp_path: Path) -> None:
    policy = POLICY | {
        "licence": "Apache-2.0 AND NSCLv1",
        "people": [{"participant": "P01", "dataset": "epic", "video": "P01_03"}],
    }
    made = recorder(tmp_path / "lake/landing", policy=policy)
    tell(made, "one")
    made.close(20)
    lake = Lake(tmp_path / "lake")
    store = take_in(lake, "night", GR1)
    manifest, _ = mix(lake, GR1, MixtureSettings(held_out_share=0.0))
    assert manifest.sources[0].licence == "Apache-2.0 AND NSCLv1 AND own"
    with pytest.raises(ValueError, match="NSCLv1"):
        mix(lake, GR1, MixtureSettings(held_out_share=0.0, licence_profile="commercial"))
    assert Withdrawals((Withdrawal("P01"),)).reached(store).keys() == {0}
    assert not Withdrawals((Withdrawal("P02"),)).reached(store)
    assert np.isfinite(store.action(0)).all()
