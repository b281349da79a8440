"""Annotators' sentences as instructions: a table of what the rules make of them."""

import pytest

from gr00t_data.sources.human.cutting.wording import instruction_of, third_person_to_base

CLEANED = [
    ("#C C picks up the cup", "pick up the cup"),
    ("#C C picks up the cup.", "pick up the cup"),
    ("#c  c carries the plate and places it on the table", "carry the plate and place it on the table"),
    (
        "#C C closes the fridge, opens the drawer and takes a knife",
        "close the fridge, open the drawer and take a knife",
    ),
    ("#C C washes cups and plates in the sink", "wash cups and plates in the sink"),
    ("#C C is picking up a spoon", "pick up a spoon"),
    ("#C C then slowly pushes the chair", "slowly push the chair"),
    ("#C C C cuts dough", "cut dough"),
    ("#C C has a cup in the hand", "have a cup in the hand"),
    ("#C C adds salt then stirs the soup", "add salt then stir the soup"),
    ("C presses the button", "press the button"),
    ("The person ties the knot", "tie the knot"),
    ("The camera wearer rinses a glass", "rinse a glass"),
    ("takes the lid off", "take the lid off"),
    ("Pick up the red block.", "pick up the red block"),
    ("press the button", "press the button"),
    ("put down knife", "put down knife"),
    ("pick up the plate from the table", "pick up the plate from the table"),
    ("continue washing plates", "continue washing plates"),
    ("TV remote is moved", "TV remote is moved"),
]

REFUSED = [
    ("#O A man X walks around", "somebody else"),
    ("man A picks a cup", "somebody else"),
    ("#C C cuts the #unsure", "#unsure"),
    ("#Unsure", "#unsure"),
    ("#summary C cooked", "summary"),
    ("#C C", "no words"),
    ("", "no words"),
]


@pytest.mark.parametrize(("written", "expected"), CLEANED)
def test_instruction(written: str, expected: str) -> None:
    assert instruction_of(written) == (expected, "")


@pytest.mark.parametrize(("written", "why"), REFUSED)
def test_no_instruction_says_why(written: str, why: str) -> None:
    wording = instruction_of(written)
    assert not wording.text
    assert why in wording.refusal


def test_cleaning_twice_changes_nothing() -> None:
    assert all(instruction_of(cleaned).text == cleaned for _, cleaned in CLEANED)


@pytest.mark.parametrize(
    ("verb", "base"),
    [
        *[("carries", "carry"), ("washes", "wash"), ("closes", "close"), ("goes", "go"), ("uses", "use")],
        *[("passes", "pass"), ("squeezes", "squeeze"), ("places", "place"), ("fixes", "fix"), ("press", "press")],
    ],
)
def test_third_person(verb: str, base: str) -> None:
    assert third_person_to_base(verb) == base
