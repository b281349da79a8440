"""A small part of what ``python -m benchmarks.serve`` measures; no times are asserted."""

import random

from benchmarks.act import nano_policy, observation
from benchmarks.serve.__main__ import at_once, frame, mutated, withstood


def test_wrong_requests_are_answered_and_nothing_is_unpickled() -> None:
    assert withstood(nano_policy(), 60) == {"sent": 60, "answered": 60, "alive": 1, "unpickled": 0}


def test_clients_at_once_have_the_same_actions() -> None:
    assert at_once(nano_policy(), clients=3, each=2) == 0


def test_requests_are_changed() -> None:
    whole, rng = frame(observation(nano_policy())), random.Random(0)
    assert all(mutated(whole, rng) != whole for _ in range(50))
