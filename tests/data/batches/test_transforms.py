"""Transforms: known values and inverse round trips. (The published numbers: test_parity.py.)"""

from dataclasses import replace
from math import pi

import numpy as np
import pytest

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.batches.transforms.transforms import (
    Concat,
    Normalize,
    Pad,
    SinCos,
    TransformError,
    build_transforms,
    vector_transform,
)
from tests.data.builders import GR1

# The second dimension is constant.
STATISTICS = PartStatistics(
    count=4, mean=(2.0, 3.0), std=(0.5, 0.0), min=(0.0, 3.0), max=(4.0, 3.0), q01=(1.0, 3.0), q99=(3.0, 3.0)
)
VALUES = np.array([[1.0, 3.0], [5.0, 0.2]])


@pytest.mark.parametrize(
    ("mode", "expected", "back"),
    [
        ("min_max", [[-0.5, 0], [1.5, 0]], [[1, 3], [5, 3]]),
        ("q99", [[-1, 1], [1, 0.2]], [[1, 3], [3, 3]]),
        ("mean_std", [[-2, 3], [6, 0.2]], [[1, 3], [5, 3]]),
        ("binary", [[1, 1], [1, 0]], [[1, 1], [1, 0]]),
    ],
)
def test_known_values_and_back(mode: str, expected: list, back: list) -> None:
    transform = Normalize(STATISTICS, mode)
    np.testing.assert_allclose(transform(VALUES), expected, atol=1e-15)
    np.testing.assert_allclose(transform.inverse(transform(VALUES)), back, atol=1e-15)
    assert transform(VALUES.astype(np.float32)).dtype == np.float32


def test_scale_has_no_inverse() -> None:
    transform = Normalize(STATISTICS, "scale")
    np.testing.assert_allclose(transform(VALUES), [[0.25, 1], [1.25, 0.2 / 3]])
    with pytest.raises(TransformError, match="scale"):
        transform.inverse(VALUES)
    zero = replace(STATISTICS, min=(0.0, 0.0), max=(0.0, 0.0))
    assert Normalize(zero, "scale")(VALUES).tolist() == [[0, 0], [0, 0]]


def test_sin_cos() -> None:
    angles = np.array([[0.0, pi / 2], [pi, -pi / 6]])
    np.testing.assert_allclose(SinCos()(angles), [[0, 1, 1, 0], [0, -0.5, -1, np.sqrt(0.75)]], atol=1e-15)
    np.testing.assert_allclose(SinCos().inverse(SinCos()(angles)), angles, atol=1e-15)


def test_concat_and_pad() -> None:
    concat, pad = Concat(("a", "b"), (1, 2)), Pad(3, 5)
    parts = {"b": np.array([[2.0, 3.0]]), "a": np.array([[1.0]])}
    padded = pad(concat(parts))
    assert padded.tolist() == [[1, 2, 3, 0, 0]] and pad.mask.tolist() == [True, True, True, False, False]
    back = concat.inverse(pad.inverse(padded))
    assert {name: value.tolist() for name, value in back.items()} == {"a": [[1]], "b": [[2, 3]]}
    with pytest.raises(TransformError, match="part 'b' has 1 values, expected 2"):
        concat({"a": parts["a"], "b": parts["a"]})
    with pytest.raises(TransformError, match="part 'b' is missing"):
        concat({"a": parts["a"]})
    with pytest.raises(TransformError, match="6 values do not fit the model's 5"):
        Pad(6, 5)


def test_the_selection_of_gr1(statistics: NormStats) -> None:
    state, action = build_transforms(GR1, None, statistics, 64, 32)
    assert state.pad.width == 52 and action.pad.width == 26 and next(iter(state.steps)) == "left_arm"
    parts = {name: np.full((3, len(s.min)), 0.05) for name, s in statistics.action.items()}
    back = action.inverse(action(parts))
    assert sorted(back) == ["left_arm", "left_hand", "right_arm", "right_hand"]
    for values in back.values():
        np.testing.assert_allclose(values, 0.05, atol=1e-12)


def test_what_does_not_fit_is_refused(statistics: NormStats) -> None:
    with pytest.raises(TransformError, match="52 values do not fit the model's 51"):
        build_transforms(GR1, None, statistics, 51, 32)
    with pytest.raises(TransformError, match=r"statistics are of embodiment 'other'.*measure them again"):
        build_transforms(GR1, None, replace(statistics, embodiment="other", embodiment_digest="x"), 64, 32)
    with pytest.raises(TransformError, match="part 'neck': the statistics have no 3 numbers"):
        vector_transform([GR1.state_part("neck")], {"neck": "min_max"}, {}, {}, 8)
    with pytest.raises(TransformError, match="part 'neck': is no rotation"):
        vector_transform([GR1.state_part("neck")], {}, {"neck": "rotation_6d"}, {}, 8)
    with pytest.raises(TransformError, match="part 'neck': unknown normalization 'minmax'"):
        vector_transform([GR1.state_part("neck")], {"neck": "minmax"}, {}, {}, 8)
