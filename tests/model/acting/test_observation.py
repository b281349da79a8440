"""Whatever a robot or a client hands in is acted on as it is meant, or named."""

import numpy as np
import pytest
import torch
from PIL import Image

from gr00t_model.policy import ObservationError, Policy
from tests.model.acting.arm import LANGUAGE, observation, policy
from tests.model.small import SIDE_PX

PICTURE = np.asarray(observation()["video.front"])
FLAT = PICTURE[0]
ARM = np.array([[0.1, 0.1]])


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy(tmp_path_factory.mktemp("arm"))


def read_only(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.setflags(write=False)
    return values


@pytest.mark.parametrize(
    "changes",
    [
        {"arm": ARM.tolist()},
        {"arm": ARM.astype(np.float16)},
        {"arm": torch.tensor(ARM, dtype=torch.bfloat16)},
        {"arm": torch.tensor(ARM, requires_grad=True)},
        {"arm": [torch.tensor(ARM[0])]},
        {"arm": read_only(ARM)},
        {"gripper": [[50]]},
        {"front": PICTURE.tolist()},
        {"front": PICTURE.astype(np.int64)},
        {"front": torch.from_numpy(PICTURE.copy())},
        {"front": [Image.fromarray(FLAT)]},
        {"front": (FLAT,)},
        {"front": read_only(PICTURE)},
        {"front": np.asfortranarray(PICTURE)},
        {"task_description": "pick up the cup"},
        {"task_description": ("pick up the cup",)},
        {"task_description": np.array(["pick up the cup"])},
        {"task_description": np.array("pick up the cup")},
        {"task_description": np.array(["pick up the cup"], dtype=object)},
        {"task_description": [np.str_("pick up the cup")]},
        {"leg": None},
    ],
)
def test_the_same_in_other_clothes_gives_the_same_actions(acting: Policy, changes: dict):
    expected, found = acting.get_action(observation()), acting.get_action(observation(**changes))
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=0, atol=0.02 if "gripper" not in key else 2)


def test_a_mirrored_view_is_read_as_it_looks(acting: Policy):
    mirrored = PICTURE[:, :, ::-1]
    assert mirrored.strides[2] < 0
    one, other = (acting.get_action(observation(front=one)) for one in (mirrored, mirrored.copy()))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_what_was_converted_and_what_nothing_read_is_told(acting: Policy):
    report = acting.act(observation(front=PICTURE.tolist(), leg=1)).report
    assert report.converted == ("video.front: int64",) and report.ignored == ("leg",)


WRONG = [
    ({"front": None}, r"video\.front: expected an array of numbers, found NoneType None; leave no key empty"),
    ({"front": b"\xff\xd8"}, "found bytes .*decode the picture"),
    ({"front": {"data": 1}}, "found dict"),
    ({"front": "camera0"}, "found str 'camera0'"),
    ({"front": [[1, 2], [3]]}, "expected an array of numbers, found a list of 2"),
    ({"front": np.array([None, object()])}, r"found object \[2\]; give no texts or objects"),
    ({"front": np.uint8(3)}, r"found uint8 \[\]; one number is no picture"),
    ({"front": FLAT}, r"add the axis of time: picture\[None\]"),
    ({"front": np.moveaxis(PICTURE, -1, -3)}, "channels come last here"),
    ({"front": PICTURE[..., :1]}, "a grey picture has no colours"),
    ({"front": PICTURE[..., 0]}, "a grey picture has no colours"),
    ({"front": np.zeros((1, 9, 9, 4), np.uint8)}, "drop the alpha channel"),
    ({"front": [Image.new("RGBA", (9, 9))]}, "drop the alpha channel"),
    ({"front": PICTURE / 255}, r"found float64 .*np\.round\(255 \* picture\)"),
    ({"front": torch.rand(1, 9, 9, 3).bfloat16()}, "found float32"),
    ({"front": PICTURE.astype(np.int64) - 1}, "levels from 0 to 255"),
    ({"front": PICTURE.astype(np.int64) + 300}, "levels from 0 to 255"),
    ({"front": PICTURE > 9}, "found bool"),
    ({"front": np.concatenate([PICTURE, PICTURE])}, r"give the newest picture alone: picture\[-1:\]"),
    ({"front": np.zeros((1, 0, 0, 3), np.uint8)}, "expected pictures of 1 to 8192 px a side"),
    ({"front": np.zeros((0, 1, 9, 9, 3), np.uint8)}, "expected pictures of 1 to 8192 px a side"),
    ({"front": np.broadcast_to(np.uint8(3), (1, 9000, 4, 3))}, "expected pictures of 1 to 8192 px a side"),
    ({"front": torch.empty(1, 9, 9, 3, device="meta")}, "expected an array of numbers, found float32"),
    ({"arm": np.array(0.5)}, r"state\.arm: expected \[1, 2\] as the video has, found \[\]"),
    ({"arm": ARM[0]}, r"add the axis of time: state\[None\]"),
    ({"arm": [["0.1", "0.1"]]}, "give no texts or objects"),
    ({"arm": ARM + 0j}, "found complex128"),
    ({"arm": np.array([[0.1, np.inf]])}, "holds NaN or infinity"),
    ({"arm": np.zeros((2, 2))}, r"expected \[1, 2\]"),
    ({"arm": np.zeros((1, 1, 2))}, r"expected \[1, 2\]"),
    ({"task_description": None}, "expected a text or a list of 1 texts, found NoneType"),
    ({"task_description": 5}, "expected a text or a list of 1 texts, found int 5"),
    ({"task_description": [5]}, "found int 5 among them; say it in words"),
    ({"task_description": [b"pick"]}, "decode it"),
    ({"task_description": [["pick"]]}, "give one flat list"),
    ({"task_description": {"text": "pick"}}, "found dict"),
    ({"task_description": []}, "expected 1 non-empty texts"),
    ({"task_description": ["\ud800"]}, "half a character"),
    ({"task_description": ["pick " * 2000]}, "has 10000 characters, expected up to 4096"),
    ({"task_description": ["pick <image>"]}, "special token '<image>'"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_what_cannot_be_acted_on_is_named(acting: Policy, changes: dict, words: str):
    refused = acting.session.refused
    with pytest.raises(ObservationError, match=words):
        acting.get_action(observation(**changes))
    assert acting.session.refused == refused + 1


@pytest.mark.parametrize("given", [None, [], "observation"])
def test_an_observation_is_a_mapping(acting: Policy, given: object):
    with pytest.raises(ObservationError, match=r"an observation is a mapping of video\.front"):
        acting.get_action(given)


def test_missing_keys_are_named_with_those_that_nothing_reads(acting: Policy):
    seen = observation()
    seen["state.amr"] = seen.pop("state.arm")
    with pytest.raises(ObservationError, match=r"lacks state\.arm; .*it has state\.amr that nothing reads"):
        acting.get_action(seen)


def test_rows_must_agree_and_be_some(acting: Policy):
    with pytest.raises(ObservationError, match=r"same number of rows, found {'video\.front': 2, 'state\.arm': 3"):
        acting.get_action(observation(rows=2) | {"state.arm": np.full((3, 1, 2), 0.1)})
    many = np.broadcast_to(np.uint8(3), (2000, 1, SIDE_PX, SIDE_PX, 3))
    state = {"state.arm": np.zeros((2000, 1, 2)), "state.gripper": np.zeros((2000, 1, 1))}
    with pytest.raises(ObservationError, match="has 2000 rows"):
        acting.get_action({"video.front": many, **state, LANGUAGE: "pick up the cup"})
