"""What the names of a data set say about the order of its dimensions."""

import pytest

from gr00t_data.embodiment.names import NamesError, Order, order_of

ARM = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
POS = [f"{joint}.pos" for joint in ARM]
FIRST = [POS[5], *POS[:5]]
GRIPPER_FIRST = (1, 2, 3, 4, 5, 0)

SAME_ORDER = {
    "as the robot has them": ARM,
    "as LeRobot has them": POS,
    "a list in a list": [POS],
    "motors": {"motors": POS},
    "positions": {joint: place for place, joint in enumerate(POS)},
    "of an older LeRobot": [f"main_{joint}" for joint in ARM],
    "one under another name": [*POS[:5], "jaw.pos"],
}
NO_PROOF = {
    "none": None,
    "motors by number": [f"motor_{place}" for place in range(6)],
    "dimensions by number": [f"dim_{place}" for place in range(1, 7)],
    "numbers": list(range(6)),
    "joints counted from 1": [f"joint_{place}" for place in range(1, 7)],
    "fewer than values": FIRST[:5],
    "one name twice": [POS[5], *POS[:4], POS[5]],
    "names of another robot": ["a.pos", "b.pos", "c.pos", "d.pos", "e.pos", "f.pos"],
}
REORDERED = {
    "gripper first": (FIRST, GRIPPER_FIRST),
    "gripper first, motors": ({"motors": FIRST}, GRIPPER_FIRST),
    "gripper first, positions": ({**{joint: n + 1 for n, joint in enumerate(POS[:5])}, POS[5]: 0}, GRIPPER_FIRST),
    "gripper first, older LeRobot": ([f"main_{name.removesuffix('.pos')}" for name in FIRST], GRIPPER_FIRST),
    "as Unitree writes them": (["kGripper", *(f"k{j.title().replace('_', '')}" for j in ARM[:5])], GRIPPER_FIRST),
    "as ROS writes them": ([f"{joint}_joint" for joint in [ARM[1], ARM[0], *ARM[2:]]], (1, 0, 2, 3, 4, 5)),
}


@pytest.mark.parametrize("case", {**SAME_ORDER, **NO_PROOF})
def test_names_in_the_same_order_and_names_that_prove_nothing(case):
    assert order_of(ARM, {**SAME_ORDER, **NO_PROOF}[case]) is None


@pytest.mark.parametrize("case", REORDERED)
def test_names_in_another_order_say_where_each_joint_lies(case):
    recorded, places = REORDERED[case]
    found = order_of(ARM, recorded)
    assert isinstance(found, Order)
    assert found.places == places
    assert len(found.recorded) == 6


def test_two_arms_recorded_the_other_way_round():
    robot = [f"{side}_joint_{n}" for side in ("left", "right") for n in range(1, 4)]
    recorded = [f"{side}.joint_{n}.pos" for side in ("right", "left") for n in range(1, 4)]
    found = order_of(robot, recorded)
    assert found is not None
    assert found.places == (3, 4, 5, 0, 1, 2)


def test_names_that_contradict_are_shown_beside_those_of_the_robot():
    recorded = ["gripper.pos", *(f"joint_{place}.pos" for place in range(1, 6))]
    with pytest.raises(NamesError, match=r"0: shoulder_pan \| gripper\.pos, .*5: gripper \| joint_5\.pos"):
        order_of(ARM, recorded)


def test_a_numbered_name_alone_contradicts_nothing():
    assert order_of(["joint_0", "joint_1", "gripper"], ["joint_1", "joint_2", "gripper"]) is None
