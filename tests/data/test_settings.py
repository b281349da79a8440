"""Settings of the operations: bounds are refused with the field named, words are closed, nothing is ever changed."""

from typing import Any

import pytest
from pydantic import ValidationError

from gr00t_data.settings import Settings
from gr00t_data.sources.human.settings import ClipSettings, HumanSettings, LabelSettings, Pictures
from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_data.stages.settings import Demonstrations, DropSettings, MixtureSettings, Shares


@pytest.mark.parametrize(
    ("kind", "field", "wrong", "bound"),
    [
        (Demonstrations, "reach", -1, "greater than or equal to 0"),
        (Demonstrations, "workers", 0, "greater than or equal to 1"),
        (Demonstrations, "push", 1.5, "a valid integer"),
        (DropSettings, "licence", 3, "a valid string"),
        (Shares, "temperature", 0.9, "greater than or equal to 1"),
        (Shares, "max_synthetic", 1.1, "less than or equal to 1"),
        (Shares, "human", -0.1, "greater than or equal to 0"),
        (MixtureSettings, "held_out_share", 1.0, "less than 1"),
        (MixtureSettings, "licence_profile", "free", "'any' or 'commercial'"),
        (ClipSettings, "head_limit", 0.01, "greater than or equal to 0.05"),
        (ClipSettings, "looks_every_s", 0, "greater than 0"),
        (Pictures, "working_px", 63, "greater than or equal to 64"),
        (LabelSettings, "slow_down", 21, "less than or equal to 20"),
        (HumanSettings, "labels", "hands", "'action-free' or 'wrist'"),
        (ClipsMade, "fps", 0, "greater than 0"),
    ],
)
def test_a_value_outside_its_bounds_is_refused_by_name(
    kind: type[Settings], field: str, wrong: Any, bound: str
) -> None:
    with pytest.raises(ValidationError) as error:
        kind.model_validate({field: wrong})
    (told,) = error.value.errors()
    assert told["loc"] == (field,) and bound in told["msg"] and told["input"] == wrong


@pytest.mark.parametrize("kind", [Demonstrations, DropSettings, MixtureSettings, HumanSettings, ClipsMade])
def test_defaults_fit_their_own_bounds_and_survive_json(kind: type[Settings]) -> None:
    made = kind()
    assert kind.model_validate_json(made.model_dump_json()) == made
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind.model_validate({"sede": 3})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, next(iter(kind.model_fields)), 3)


def test_a_wrong_setting_inside_another_is_named_whole() -> None:
    with pytest.raises(ValidationError) as error:
        HumanSettings.model_validate({"clips": {"shortest_s": 0.1}, "wrists": {"longest_gap_s": 2}})
    assert [told["loc"] for told in error.value.errors()] == [("clips", "shortest_s"), ("wrists", "longest_gap_s")]
    with pytest.raises(ValidationError, match=r"shortest_s 12 must be above 0 and at most longest_s 10"):
        ClipSettings(shortest_s=12)
    assert ClipSettings(shortest_s=3, longest_s=3).longest_s == 3


@pytest.mark.parametrize(
    ("given", "robot"),
    [({}, "gr1"), ({"labels": "wrist"}, "human_hands"), ({"labels": "wrist", "embodiment": "so100"}, "so100")],
)
def test_the_robot_that_clips_become_rows_of(given: dict[str, Any], robot: str) -> None:
    settings = HumanSettings.model_validate(given)
    assert settings.robot == robot and "embodiment" not in settings.to_dict()
    assert HumanSettings.model_validate(settings.to_dict() | {"embodiment": settings.embodiment}) == settings


def test_tasks_that_are_recorded_at_all() -> None:
    assert Demonstrations().episodes == {"reach": 160, "push": 50, "pick_and_place": 50}
    some = Demonstrations.of({"push": 3}, seed=7, shoves=True)
    assert some.episodes == {"push": 3} and (some.seed, some.shoves, some.reach) == (7, True, 0)
    assert Demonstrations.of({}).episodes == {}
