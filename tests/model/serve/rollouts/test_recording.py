"""A recorder: what a robot tells is what lies in the drop, whole or not at all, however the episode ends."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.locks import Busy
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video.files import decode
from gr00t_data.video.packets import probe
from gr00t_model.acting.values import ObservationError
from gr00t_model.serve.rollouts.recording import RecordingError
from gr00t_model.serve.steps import StepError, end_payload, record_payload
from tests.model.serve.rollouts.rolling import (
    CHOSEN,
    GR1,
    HORIZON,
    PERIOD_S,
    ROOMY,
    chunk,
    observation,
    picture,
    recorder,
    step,
    tell,
    wait,
    wave,
)

CAMERA = CHOSEN.cameras[0]


def closed(landing: Path, name: str = "night") -> list[str | None]:
    return [row.source.closed for row in EpisodeStore.open(landing / name).rows]


def test_a_drop_holds_what_was_told(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    for row in range(40):
        text = "follow the red square" if row < 30 else "stop"
        told = step(row, observation=observation(row, text), intervention=10 <= row < 15)
        assert made.record("a", record_payload("one", [told])) == {"recorded": 1}
    made.end_episode("a", end_payload("one", True))
    assert made.close(20)
    store = EpisodeStore.open(tmp_path / "night")
    assert store.kind == "rollout" and store.licence == "own" and store.fps == GR1.control_hz
    (row,) = store.rows
    assert row.success is True and row.length == 40 and row.source.interventions == 5
    assert row.source.policy == {"checkpoint": "nano-0123", "digest": "0123", "licence": "Apache-2.0"}
    assert store.texts(0, GR1.language_column) == ("follow the red square", ((30, "stop"),))
    for name in CHOSEN.action:
        part = GR1.action_part(name)
        assert np.allclose(store.action(0)[:, part.slice], [wave(name, row) for row in range(40)], atol=1e-6)
        held = store.matrix(0, "proposed_action").reshape(40, HORIZON, GR1.action_dim)[:, :, part.slice]
        asked = [chunk(row - row % 8)[f"action.{name}"] for row in range(40)]
        assert np.allclose(held, asked, atol=1e-6)
    for name in CHOSEN.state:
        states = store.state(0)[:, GR1.state_part(name).slice]
        assert np.allclose(states, [wave(name, row - 1) for row in range(40)], atol=1e-6)
    assert store.matrix(0, "proposed_step")[:, 0].tolist() == [row % 8 for row in range(40)]
    assert set(store.matrix(0, "proposed_steps")[:, 0]) == {HORIZON}
    assert np.flatnonzero(store.matrix(0, "intervention")).tolist() == [10, 11, 12, 13, 14]
    assert np.array_equal(store.matrix(0, "recorded_s")[:, 0], [1000 + row * PERIOD_S for row in range(40)])
    assert not store.matrix(0, "masked").any()
    frames = decode(store.video_path(0, CAMERA)).astype(int)
    assert len(frames) == 40 and np.abs(frames - np.stack([picture(row) for row in range(40)])).mean() < 3
    assert (tmp_path / "night/_SUCCESS").read_text() == 'embodiment: "gr1"\nkind: "rollout"\nlicence: "own"\n'
    assert not list((tmp_path / ".night.recording/open").glob("*"))


def test_parts_that_the_policy_does_not_know_are_absent(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    tell(made, "one")
    made.close(20)
    absent = EpisodeStore.open(tmp_path / "night").about.absent
    others = [f"state.{p.name}" for p in GR1.state if p.name not in CHOSEN.state]
    others += [f"action.{p.name}" for p in GR1.action if p.name not in CHOSEN.action]
    assert others and list(absent or ()) == others


def test_two_clients_at_once_have_an_episode_each(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    for row in range(20):
        made.record("a", record_payload("left", [step(row)]))
        made.record("b", record_payload("right", [step(row, observation=observation(row, "stop"))]))
    made.end_episode("b", end_payload("right", False))
    made.end_episode("a", end_payload("left", True))
    made.close(20)
    rows = EpisodeStore.open(tmp_path / "night").rows
    assert [(row.source.episode, row.success, row.instruction) for row in rows] == [
        ("right", False, "stop"),
        ("left", True, "follow the red square"),
    ]


def test_steps_may_come_together(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.record("a", record_payload("one", [step(row) for row in range(20)]))
    made.end_episode("a", end_payload("one", True))
    made.close(20)
    assert EpisodeStore.open(tmp_path / "night").rows[0].length == 20


def test_a_client_that_vanishes_leaves_an_episode_that_says_so(tmp_path: Path) -> None:
    made = recorder(tmp_path, replace(ROOMY, idle_s=0.3, drop_idle_s=0.0))
    made.record("a", record_payload("one", [step(row) for row in range(20)]))
    wait(lambda: (tmp_path / "night").is_dir())  # while the recorder goes on
    assert closed(tmp_path) == ["silence"] and EpisodeStore.open(tmp_path / "night").rows[0].success is None
    with pytest.raises(StepError, match="no episode 'one' is open"):
        made.end_episode("a", end_payload("one", True))
    tell(made, "two", 20)
    made.close(20)
    assert closed(tmp_path, "night-2") == ["end_episode"]


def test_steps_that_go_on_do_not_keep_a_silent_episode_open(tmp_path: Path) -> None:
    made = recorder(tmp_path, replace(ROOMY, idle_s=0.3))
    made.record("a", record_payload("gone", [step(0)]))
    row = iter(range(1000))

    def closed_while_another_goes_on() -> bool:
        made.record("b", record_payload("busy", [step(next(row))]))
        return made.counts.episodes == 1

    wait(closed_while_another_goes_on)
    made.close(20)
    assert closed(tmp_path) == ["silence", "shutdown"]


def test_an_episode_without_end_is_cut_where_it_is_long_enough(tmp_path: Path) -> None:
    made = recorder(tmp_path, replace(ROOMY, rows=25))
    for row in range(60):
        made.record("a", record_payload("one", [step(row, proposed=chunk(row), proposed_step=0)]))
    made.close(20)
    store = EpisodeStore.open(tmp_path / "night")
    assert [row.length for row in store.rows] == [25, 25, 10] and closed(tmp_path) == ["length", "length", "shutdown"]


def test_what_cannot_be_encoded_in_time_ends_the_episode_and_says_so(tmp_path: Path) -> None:
    size = picture(0).nbytes * len(CHOSEN.cameras)
    made = recorder(tmp_path, replace(ROOMY, waiting_bytes=3 * size))
    with pytest.raises(RecordingError, match=r"ends before this step: .* bytes wait to be encoded"):
        for first in range(0, 10_000, 20):
            made.record("a", record_payload("one", [step(row) for row in range(first, first + 20)]))
    assert made.counts.waiting_bytes <= 3 * size
    made.close(20)
    assert closed(tmp_path) == ["overrun"]


def test_a_drop_lands_when_it_is_full(tmp_path: Path) -> None:
    made = recorder(tmp_path, replace(ROOMY, drop_episodes=2))
    for number in range(5):
        tell(made, f"episode {number}", 20)
    made.close(20)
    assert [len(EpisodeStore.open(path).rows) for path in made.landed] == [2, 2, 1]
    assert [path.name for path in made.landed] == ["night", "night-2", "night-3"]


def test_a_hole_is_no_place_for_a_chunk(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    steps = [step(row, time_s=row * PERIOD_S + (0.3 if row >= 12 else 0.0)) for row in range(24)]
    made.record("a", record_payload("one", steps))
    made.close(20)
    store = EpisodeStore.open(tmp_path / "night")
    assert np.flatnonzero(store.matrix(0, "masked")).tolist() == [12]
    assert np.allclose(store.times_s(0), np.arange(24) * PERIOD_S)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"time_s": 1000.0}, StepError, "does not come after"),
        ({"action": {}}, StepError, "action holds nothing, expected action"),
        ({"proposed_step": 99}, StepError, "proposed_step is 99, the proposed chunk has 16 steps"),
        ({"proposed": chunk(0, 17)}, StepError, "has 17 steps, expected 1 to 16"),
        ({"observation": {}}, ObservationError, "lacks"),
        ({"observation": observation(1) | {f"video.{CAMERA}": picture(1)}}, ObservationError, "expected uint8"),
        ({"observation": observation(1) | {f"video.{CAMERA}": np.zeros((1, 8, 8, 3), np.uint8)}}, ObservationError,
         "those before them"),
    ],
)  # fmt: skip
def test_a_step_that_is_none_of_this_robot_costs_only_itself(
    tmp_path: Path, change: dict[str, object], kind: type[Exception], words: str
) -> None:
    made = recorder(tmp_path)
    made.record("a", record_payload("one", [step(0)]))
    with pytest.raises(kind, match="record: step 0: ") as raised:
        made.record("a", record_payload("one", [replace(step(1), **change)]))
    assert words in str(raised.value)
    made.record("a", record_payload("one", [step(2)]))
    made.end_episode("a", end_payload("one", True))
    made.close(20)
    assert EpisodeStore.open(tmp_path / "night").rows[0].length == 2


def test_one_recorder_a_name(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    with pytest.raises(Busy, match=r"night\.recording"):
        recorder(tmp_path)
    assert made.close(20)
    assert recorder(tmp_path).close(20) and not (tmp_path / "night").exists()


# Clients that only ask.


def test_a_client_that_only_asks_is_recorded_as_far_as_it_is_known(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    for number in range(10):
        made.asked("a", observation(8 * number), chunk(8 * number), time_s=50 + 0.4 * number)
    made.reset("a")
    made.close(20)
    store = EpisodeStore.open(tmp_path / "night")
    assert closed(tmp_path) == ["reset"] and store.fps == 2.5 and store.rows[0].success is None
    assert "action" in (store.about.absent or ()) and not store.action(0).any()
    assert np.allclose(store.times_s(0), 0.4 * np.arange(10), atol=1e-6)
    assert np.allclose(store.matrix(0, "recorded_s")[:, 0], 50 + 0.4 * np.arange(10))
    assert probe(store.video_path(0, CAMERA)).regular(2.5)
    frames = decode(store.video_path(0, CAMERA)).astype(int)
    assert np.abs(frames - np.stack([picture(8 * number) for number in range(10)])).mean() < 3


def test_robots_in_one_batch_have_an_episode_each(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    for row in range(12):
        both = [observation(row, text) for text in ("stop", "follow the red square")]
        seen = {key: np.stack([np.asarray(one[key]) for one in both]) for key in both[0] if key != CHOSEN.language}
        seen |= {CHOSEN.language: ["stop", "follow the red square"]}
        actions = {key: np.stack([values, values]) for key, values in chunk(row).items()}
        made.asked("a", seen, actions, time_s=row * PERIOD_S)
    made.reset("a")
    made.close(20)
    store = EpisodeStore.open(tmp_path / "night")
    assert sorted(row.instruction for row in store.rows) == ["follow the red square", "stop"]


def test_what_a_client_asks_that_tells_its_steps_is_no_episode_of_its_own(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.asked("a", observation(0), chunk(0))
    made.asked("another connection", observation(0), chunk(0), episode="one")
    for row in range(20):
        made.record("a", record_payload("one", [step(row)]))
        made.asked("a", observation(row), chunk(row))
    made.end_episode("a", end_payload("one", True))
    made.close(20)
    assert [row.source.episode for row in EpisodeStore.open(tmp_path / "night").rows] == ["one"]


def test_a_request_that_cannot_be_recorded_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = recorder(tmp_path)
    for _ in range(3):
        made.asked("a", {"nothing": 1}, chunk(0))
    made.close(20)
    told = [line for line in caplog.records if line.levelname == "WARNING"]
    assert len(told) == 1 and "a request of a is not recorded: the observation lacks" in told[0].getMessage()
    assert not (tmp_path / "night").exists()
