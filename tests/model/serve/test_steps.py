"""What a client tells a server that records: there and back, and what is no step."""

import numpy as np
import pytest

from gr00t_model.serve.steps import MOST_STEPS, Step, StepError, end_payload, read_end, read_record, record_payload

SEEN = {"video.ego": np.zeros((1, 4, 4, 3), np.uint8), "state.arm": np.zeros((1, 2)), "annotation.task": ["reach"]}
STEP = Step(SEEN, {"action.arm": np.array([1.0, 2.0])}, 0.05, True, {"action.arm": np.ones((4, 2))}, 3)


def test_steps_arrive_as_they_were_sent() -> None:
    episode, (first, second) = read_record(record_payload("run 1", [STEP, Step(SEEN, {}, 0.1)]))
    assert episode == "run 1" and first.intervention and first.proposed_step == 3 and first.time_s == 0.05
    assert first.proposed is not None and np.array_equal(first.proposed["action.arm"], np.ones((4, 2)))
    assert np.array_equal(first.action["action.arm"], [1.0, 2.0]) and first.observation["annotation.task"] == ["reach"]
    assert not second.intervention and second.proposed is None and second.proposed_step is None and not second.action


@pytest.mark.parametrize("success", [True, False, None])
def test_the_end_says_whether_it_succeeded(success: bool | None) -> None:
    assert read_end(end_payload("run 1", success)) == ("run 1", success)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time_s": float("nan")}, "time_s is float nan, expected seconds"),
        ({"time_s": 10**400}, "expected seconds"),
        ({"time_s": "0"}, "time_s is str '0'"),
        ({"intervention": 1}, "intervention is int 1, expected true or false"),
        ({"proposed_step": -1}, "proposed_step is int -1"),
        ({"action": {"action.arm": ["a"]}}, "action.arm: expected finite numbers"),
        ({"action": {"action.arm": [[1], [1, 2]]}}, "action.arm: expected an array of numbers"),
        ({"action": {"action.arm": np.array([np.inf])}}, "action.arm: expected finite numbers"),
        ({"action": {3: 1.0}}, "expected a mapping of names"),
        ({"observation": None}, "observation is NoneType None, expected a mapping"),
        ({"speed": 1}, "'speed' is none of observation, action"),
    ],
)
def test_what_is_no_step_says_which_and_why(change: dict[str, object], words: str) -> None:
    data = {"episode": "one", "steps": [STEP.payload(), STEP.payload() | change]}
    with pytest.raises(StepError, match="record: step 1") as raised:
        read_record(data)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "data",
    [None, [], {"steps": [STEP.payload()]}, {"episode": "", "steps": [STEP.payload()]}]
    + [{"episode": "one", "steps": steps} for steps in ([], None, [STEP.payload()] * (MOST_STEPS + 1), [1])]
    + [{"episode": name, "steps": [STEP.payload()]} for name in ("a\nb", "x" * 129, 3)],
)
def test_what_is_no_record_is_refused(data: object) -> None:
    with pytest.raises(StepError):
        read_record(data)


def test_an_end_says_true_false_or_nothing() -> None:
    with pytest.raises(StepError, match="success is int 1"):
        read_end({"episode": "one", "success": 1})
