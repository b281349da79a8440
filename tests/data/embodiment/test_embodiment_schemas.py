"""The embodiments that come with the package: they load and agree with the published corpora and configurations."""

import json
from pathlib import Path

import pytest

from gr00t_data.embodiment.modality import modality_json
from gr00t_data.embodiment.robot import embodiment_names, load_embodiment

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "data"
PARITY = ROOT.parent / "shared" / "parity"

GR1_SLICES = {
    "left_arm": (0, 7),
    "left_hand": (7, 13),
    "left_leg": (13, 19),
    "neck": (19, 22),
    "right_arm": (22, 29),
    "right_hand": (29, 35),
    "right_leg": (35, 41),
    "waist": (41, 44),
}


def needs(folder: Path) -> Path:
    if not folder.exists():
        pytest.skip(f"real data absent: {folder}")
    return folder


@pytest.mark.parametrize("name", embodiment_names())
def test_every_schema_loads_under_its_file_name_and_fits_the_model(name: str) -> None:
    embodiment = load_embodiment(name)
    assert embodiment.name == name
    for selection in embodiment.selections.values():
        encoded = {"sin_cos": 2}
        state = sum(
            embodiment.state_part(part).dim * encoded.get(selection.state_normalization[part], 1)
            for part in selection.state
        )
        action = sum(embodiment.action_part(part).dim for part in selection.action)
        assert state <= 64 and action <= 32, selection.name  # the released config: max_state_dim, max_action_dim


def test_the_known_robots_are_there_and_keep_their_published_slots() -> None:
    slots = {name: load_embodiment(name).slot for name in embodiment_names()}
    published = {"gr1": 24, "oxe_droid": 17, "agibot_genie1": 26, "so100": 2, "unitree_g1": 3, "new_embodiment": 31}
    assert published.items() <= slots.items()
    assert {"panda_gripper", "human_hands"} <= slots.keys()
    assert len(set(slots.values())) == len(slots)


def test_gr1_slices_are_the_known_ones() -> None:
    gr1 = load_embodiment("gr1")
    assert {part.name: (part.start, part.end) for part in gr1.state} == GR1_SLICES
    assert {part.name: (part.start, part.end) for part in gr1.action} == GR1_SLICES
    assert (gr1.state_dim, gr1.action_dim, gr1.control_hz, gr1.action_horizon) == (44, 44, 20.0, 16)
    assert gr1.state_part("neck").slice == slice(19, 22)
    assert gr1.state_names()[29:31] == ("right_pinky", "right_ring")


def test_gr1_selections_are_the_published_data_configurations() -> None:
    gr1 = load_embodiment("gr1")
    arms, waist, upper = (gr1.selection(f"fourier_gr1_{n}") for n in ("arms_only", "arms_waist", "full_upper_body"))
    assert gr1.selection() is arms
    assert arms.state == arms.action == ("left_arm", "right_arm", "left_hand", "right_hand")
    assert set(arms.state_normalization.values()) == {"sin_cos"}
    assert set(arms.action_normalization.values()) == {"min_max"}
    assert waist.state == (*arms.state, "waist") and waist.language == "annotation.human.coarse_action"
    assert upper.cameras == ("front_view",) and set(upper.state_normalization.values()) == {"min_max"}


def test_gr1_modality_equals_that_of_the_real_demonstrations() -> None:
    folder = needs(REAL / "teleop" / "robot_sim.PickNPlace" / "meta")
    real = json.loads((folder / "modality.json").read_text())
    ours = modality_json(load_embodiment("gr1"))
    assert {key: ours[key] for key in ("state", "action", "video")} == {
        key: real[key] for key in ("state", "action", "video")
    }
    assert ours["annotation"]["human.action.task_description"] == real["annotation"]["human.action.task_description"]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("gr1", "teleop/robot_sim.PickNPlace/meta"),
        ("gr1", "idm_metadata/gr1"),
        ("oxe_droid", "idm_metadata/franka"),
        ("panda_gripper", "idm_metadata/robocasa"),
        ("so100", "idm_metadata/so100"),
    ],
)
def test_limits_contain_every_value_of_the_real_corpora(name: str, folder: str) -> None:
    statistics = json.loads((needs(REAL / folder) / "stats.json").read_text())
    embodiment = load_embodiment(name)
    for column, parts in (("observation.state", embodiment.state), ("action", embodiment.action)):
        low, high = statistics[column]["min"], statistics[column]["max"]
        assert len(low) == sum(part.dim for part in parts)
        for part in parts:
            assert part.limits is not None
            for joint, (lowest, highest), at in zip(part.joints, part.limits, range(part.start, part.end), strict=True):
                assert lowest <= low[at] and high[at] <= highest, f"{column} {joint}: {low[at]} .. {high[at]}"


@pytest.mark.parametrize(("name", "folder"), [("oxe_droid", "franka"), ("panda_gripper", "robocasa")])
def test_modality_equals_that_of_the_real_corpora(name: str, folder: str) -> None:
    real = json.loads((needs(REAL / "idm_metadata" / folder) / "modality.json").read_text())
    ours = modality_json(load_embodiment(name))
    for side in ("state", "action"):
        without_range = {
            part: {key: value for key, value in entry.items() if key != "range"} for part, entry in real[side].items()
        }
        assert ours[side] == without_range


PUBLISHED = {
    "fourier_gr1_full_upper_body": "gr1",
    "so100_dualcam": "so100",
    "unitree_g1_full_body": "unitree_g1",
    "oxe_droid": "oxe_droid",
    "agibot_genie1": "agibot_genie1",
    "single_panda_gripper": "panda_gripper",
    "bimanual_panda_gripper": "bimanual_panda_gripper",
    "bimanual_panda_hand": "bimanual_panda_hand",
}


@pytest.mark.parametrize("config", PUBLISHED)
def test_selection_reads_what_the_published_configuration_reads(config: str) -> None:
    folder = needs(PARITY / f"transforms_synth_{config}")
    recorded = json.loads((folder / "config.json").read_text())
    metadata = json.loads((folder / "metadata.json").read_text())
    modalities = (metadata if "modalities" in metadata else next(iter(metadata.values())))["modalities"]
    embodiment = load_embodiment(PUBLISHED[config])
    selection = embodiment.selection(config)
    for side, find in (("state", embodiment.state_part), ("action", embodiment.action_part)):
        names = getattr(selection, side)
        assert [f"{side}.{name}" for name in names] == recorded[f"{side}_keys"]
        for name in names:
            assert [find(name).dim] == modalities[side][name]["shape"], name
            assert find(name).rotation == modalities[side][name]["rotation_type"], name
    assert list(selection.cameras) == list(modalities["video"])
