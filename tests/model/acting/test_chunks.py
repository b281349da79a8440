"""Chunks that arrive late: which step is executed, what is sent beside an observation, when the robot holds."""

import numpy as np
import pytest

from gr00t_model.acting.chunks import Asked, Chunks

HORIZON = 16
KEY = "action.arm"


def chunk(number: int, steps: int = HORIZON) -> dict[str, np.ndarray]:
    """Step s of chunk n is n + s / 100, so that each command says where it comes from."""
    return {KEY: number + np.arange(steps)[:, None] / 100}


def drive(chunks: Chunks, delays: list[int], steps: int, length: int = HORIZON) -> tuple[list, list[Asked]]:
    """What is executed (None: held) when the nth answer takes ``delays[n]`` control steps, the last one for ever."""
    done: list[float | None] = []
    asked: list[Asked] = []
    due_at: dict[int, int] = {}
    for now in range(steps):
        if chunks.due:
            asked.append(chunks.ask())
            due_at[now + delays[min(len(asked), len(delays)) - 1]] = len(asked)
        if now in due_at:
            chunks.arrive(asked[due_at[now] - 1], chunk(due_at[now], length))
            if chunks.due:
                asked.append(chunks.ask())
                due_at[now + delays[min(len(asked), len(delays)) - 1]] = len(asked)
        step = chunks.next()
        done.append(None if step is None else round(float(step[KEY][0]), 2))
    return done, asked


def span(number: int, first: int, last: int) -> list[float]:
    return [round(number + step / 100, 2) for step in range(first, last)]


def test_without_latency_the_first_half_of_each_chunk_is_executed():
    for execution in ("stop_and_go", "asynchronous", "real_time"):
        done, _ = drive(Chunks(execution), [0], 24)
        assert done == span(1, 0, 8) + span(2, 0, 8) + span(3, 0, 8)


def test_stop_and_go_holds_and_begins_each_chunk_at_its_start():
    done, asked = drive(Chunks("stop_and_go"), [3], 25)
    assert done == [None] * 3 + span(1, 0, 8) + [None] * 3 + span(2, 0, 8) + [None] * 3
    assert [one.step for one in asked] == [0, 11, 22]


def test_asynchronous_skips_the_steps_that_are_over():
    done, asked = drive(Chunks("asynchronous"), [3], 24)
    assert done == [None] * 3 + span(1, 3, 11) + span(2, 3, 11) + span(3, 3, 8)
    assert [one.step for one in asked] == [0, 8, 16]
    assert all(one.running is None for one in asked)


def test_real_time_sends_what_is_left_and_freezes_what_will_be_over():
    done, asked = drive(Chunks("real_time"), [3], 24)
    assert done == [None] * 3 + span(1, 3, 11) + span(2, 3, 11) + span(3, 3, 8)
    assert asked[0].running is None
    running = asked[1].running
    assert running is not None
    assert (running.overlap, running.frozen) == (8, 3)
    assert running.actions[KEY][:, 0].round(2).tolist() == span(1, 8, 16)


def test_step_zero_of_what_is_sent_is_executed_at_the_time_of_the_observation():
    chunks = Chunks()
    chunks.arrive(chunks.ask(), chunk(1))
    for _ in range(8):
        chunks.next()
    running, step = chunks.ask().running, chunks.next()
    assert running is not None and step is not None
    assert np.array_equal(running.actions[KEY][0], step[KEY])


def test_the_frozen_steps_follow_the_longest_of_the_last_delays():
    chunks = Chunks(expected_delay=1)
    _, asked = drive(chunks, [2, 5, 3, 3], 40)
    assert [one.running.frozen for one in asked[1:4] if one.running] == [2, 5, 5]
    _, asked = drive(chunks, [3], 200)
    assert asked[-1].running is not None and asked[-1].running.frozen == 3


def test_an_overlap_can_be_shorter_than_what_is_left():
    _, asked = drive(Chunks(overlap=4, ramp_rate=2.0), [6], 12)
    running = asked[1].running
    assert running is not None
    assert (running.overlap, running.frozen, running.ramp_rate) == (4, 4, 2.0)
    assert len(running.actions[KEY]) == 8


def test_when_the_chunk_runs_out_the_robot_holds_until_the_answer():
    done, _ = drive(Chunks(), [0, 10], 20)
    assert done == span(1, 0, 16) + [None] * 2 + span(2, 10, 12)


def test_an_answer_that_is_over_when_it_arrives_is_not_executed():
    chunks = Chunks()
    asked = chunks.ask()
    for _ in range(HORIZON):
        assert chunks.next() is None
    assert not chunks.arrive(asked, chunk(1))
    assert chunks.due
    assert chunks.expected_delay == HORIZON


def test_an_answer_that_was_given_up_is_not_executed():
    chunks = Chunks()
    first = chunks.ask()
    assert not chunks.due
    chunks.give_up(first)
    assert chunks.due
    second = chunks.ask()
    assert not chunks.arrive(first, chunk(1))
    assert chunks.arrive(second, chunk(2))
    assert not chunks.arrive(second, chunk(3))
    chunks.give_up(second)
    assert chunks.next() == {KEY: np.array([2.0])}


def test_after_a_broken_connection_the_robot_executes_what_is_left_and_holds():
    chunks = Chunks()
    chunks.arrive(chunks.ask(), chunk(1))
    done = []
    for _ in range(18):
        if chunks.due:
            chunks.give_up(chunks.ask())
        step = chunks.next()
        done.append(None if step is None else round(float(step[KEY][0]), 2))
    assert done == span(1, 0, 16) + [None] * 2


def test_shorter_answers_are_executed_to_their_end():
    done, _ = drive(Chunks(every=8), [1], 12, length=4)
    assert done == [None, *span(1, 1, 4), None, *span(2, 1, 4), None, *span(3, 1, 4)]


@pytest.mark.parametrize(
    "wrong", [{"execution": "eager"}, {"every": 0}, {"expected_delay": -1}, {"overlap": -1}, {"ramp_rate": 0.0}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|execution"):
        chunks = Chunks(**wrong)
        chunks.arrive(chunks.ask(), chunk(1))
        chunks.ask()
