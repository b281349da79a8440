"""Typing errors beside the usual word, and instructions of another task over a usual motion; else silence."""

from collections.abc import Sequence

import numpy as np
import pytest

from gr00t_data.curate.compare.wording import misspellings, of_another_task
from gr00t_data.curate.copies.fingerprints import Fingerprint


def texts(usual: str, *rare: str, count: int = 20) -> dict[int, str]:
    return dict(enumerate([usual] * count + list(rare)))


@pytest.mark.parametrize(
    ("usual", "rare", "pair"),
    [
        ("pick up the bottle", "pick up the botle", ("botle", "bottle")),
        ("pick up the bottle", "pick up the bottlle", ("bottlle", "bottle")),
        ("pick up the bottle", "pikc up the bottle", ("pikc", "pick")),
        ("pick up the bottle", "pick up the bottke", ("bottke", "bottle")),
        ("place it on the table", "palce it on the tabel", ("palce", "place")),
        ("Grasp the handle.", "grasp teh handel", ("handel", "handle")),
    ],
)
def test_a_typing_error_beside_the_usual_word(usual: str, rare: str, pair: tuple[str, str]) -> None:
    assert misspellings(texts(usual, rare)) == {20: pair}


@pytest.mark.parametrize(
    ("usual", "rare"),
    [
        ("pick up the bottle", "pick up the bottles"),
        ("pick up the bottle", "take the bottle"),
        ("put it on the plate", "put it in the place"),
        ("pick up the pear", "pick up the peas"),
        ("push left", "push right"),
        ("open the box", "open the fox"),
        ("reach for cup 3", "reach for cup 4"),
    ],
)
def test_other_words_are_no_typing_errors(usual: str, rare: str) -> None:
    assert misspellings(texts(usual, rare)) == {}


def test_two_words_that_both_are_usual() -> None:
    said = texts("move the house", *["move the horse"] * 8)
    assert misspellings(said) == {}


def motions(kinds: Sequence[int]) -> list[Fingerprint]:
    """One joint of three moves far, which one the kind says; with noise of 3 %."""
    made = []
    for number, kind in enumerate(kinds):
        noise = np.random.default_rng(number)
        motion = np.zeros((60, 3))
        motion[:, kind] = np.linspace(0, 1 + noise.normal(0, 0.03), 60)
        made.append(
            Fingerprint(("s", number), f"{number}", (motion + noise.normal(0, 0.003, motion.shape)).astype("f4"))
        )
    return made


def test_a_rare_text_over_the_usual_motion() -> None:
    said = texts("pick up the apple", "open the drawer")
    assert of_another_task(said, motions([0] * 21)) == {20: "pick up the apple"}


def test_several_rare_texts_in_a_set_of_one_task() -> None:
    said = texts("pick up the apple", "open the drawer", "wipe the whiteboard", "unplug the charger", "lift that apple")
    assert of_another_task(said, motions([0] * 24)) == dict.fromkeys((20, 21, 22), "pick up the apple")
    assert of_another_task(said, motions([0] * 20 + [1, 1, 2, 0])) == {}


def test_a_rare_text_with_a_motion_of_its_own_is_another_task() -> None:
    said = texts("pick up the apple", "open the drawer")
    assert of_another_task(said, motions([0] * 20 + [1])) == {}


def test_the_request_in_other_words() -> None:
    said = texts("pick up the apple", "please take the apple and lift it")
    assert of_another_task(said, motions([0] * 21)) == {}


def test_texts_exchanged_between_tasks_whose_motions_differ() -> None:
    said = dict(enumerate(["pick the apple"] * 15 + ["open a drawer"] * 15 + ["wipe this shelf"] * 15))
    kinds = [0] * 15 + [1] * 15 + [2] * 15
    assert of_another_task(said, motions(kinds)) == {}
    said[3], said[40] = "wipe this shelf", "open a drawer"
    assert of_another_task(said, motions(kinds)) == {3: "pick the apple", 40: "wipe this shelf"}


def test_where_the_motion_does_not_tell_the_task_nothing_is_said() -> None:
    said = dict(enumerate(["pick the apple", "open a drawer"] * 15))
    assert of_another_task(said, motions([0] * 30)) == {}
