"""Transforms: known values, inverse round trips, and the numbers of the published transforms."""

from collections.abc import Callable
from dataclasses import replace
from math import pi
from typing import Any

import numpy as np
import pytest

from gr00t_data.batches.statistics import NormStats, PartStatistics
from gr00t_data.batches.transforms import (
    Concat,
    Normalize,
    Pad,
    SinCos,
    TransformError,
    VectorTransform,
    build_transforms,
    vector_transform,
)
from gr00t_data.embodiment import Embodiment, Part, embodiment_names, load_embodiment
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


@pytest.mark.parametrize("mode", ["min_max", "q99", "mean_std", "scale", "binary"])
@pytest.mark.parametrize(("kind", "dtype", "tolerance"), [("f64", np.float64, 1e-12), ("f32", np.float32, 1e-6)])
def test_published_normalizer(
    recorded: Callable[[str], Any], mode: str, kind: str, dtype: type, tolerance: float
) -> None:
    arrays = recorded("transforms_normalizer").arrays("outputs")
    columns = {name: tuple(arrays[f"stat.{name}"].tolist()) for name in ("mean", "std", "min", "max", "q01", "q99")}
    transform = Normalize(PartStatistics(count=0, **columns), mode)
    x = arrays["x"].astype(dtype)
    forward = arrays[f"{mode}.{kind}.forward"]
    np.testing.assert_allclose(transform(x), forward, atol=tolerance, rtol=tolerance)
    if mode != "scale":
        for name, values in (("inverse_of_forward", forward), ("inverse_of_x", x)):
            expected = arrays[f"{mode}.{kind}.{name}"]
            np.testing.assert_allclose(transform.inverse(values), expected, atol=tolerance, rtol=tolerance)


CONFIGURATIONS = [
    "fourier_gr1_arms_only",
    "fourier_gr1_arms_waist",
    "synth_fourier_gr1_full_upper_body",
    "synth_so100_dualcam",
    "synth_unitree_g1_full_body",
    "synth_bimanual_panda_gripper",
    "synth_bimanual_panda_hand",
    "synth_single_panda_gripper",
    "synth_oxe_droid",
    "synth_agibot_genie1",
]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_published_configurations(recorded: Callable[[str], Any], name: str) -> None:
    item = recorded(f"transforms_{name}")
    embodiment = _with_selection(name.removeprefix("synth_"))
    chosen = embodiment.selection(name.removeprefix("synth_"))
    metadata = item.json("metadata")["statistics"]
    arrays = item.arrays("outputs")
    state_parts = [embodiment.state_part(part) for part in chosen.state]
    action_parts = [embodiment.action_part(part) for part in chosen.action]
    state = _transform(state_parts, chosen.state_normalization, chosen.state_rotations, metadata["state"], 64)
    action = _transform(action_parts, chosen.action_normalization, chosen.action_rotations, metadata["action"], 32)
    for sample in sorted({key[:2] for key in arrays if key[:2].isdigit()}):
        for side, transform in (("state", state), ("action", action)):
            parts = {p: arrays[f"{sample}.raw.{side}.{p}"] for p in transform.steps}
            expected = arrays[f"{sample}.out.{side}"]
            np.testing.assert_allclose(transform(parts), expected, atol=1e-12, err_msg=f"{sample} {side}")
            mask = np.broadcast_to(transform.pad.mask, expected.shape)
            np.testing.assert_array_equal(mask, arrays[f"{sample}.out.{side}_mask"])
    given = arrays["unapply.input_action_f32"]
    for part, values in action.inverse(given).items():
        expected = arrays[f"unapply.fresh_f32.action.{part}"]
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected, atol=2e-6, rtol=1e-6, err_msg=part)
    if "unapply.input_action_f64" in arrays:
        for part, values in action.inverse(arrays["unapply.input_action_f64"]).items():
            np.testing.assert_allclose(values, arrays[f"unapply.fresh_f64.action.{part}"], atol=1e-12, err_msg=part)


def _with_selection(selection: str) -> Embodiment:
    for name in embodiment_names():
        embodiment = load_embodiment(name)
        if selection in embodiment.selections:
            return embodiment
    raise AssertionError(f"no embodiment has the published data configuration {selection!r}")


def _transform(
    parts: list[Part], modes: dict[str, str], rotations: dict[str, str], statistics: dict[str, Any], padded: int
) -> VectorTransform:
    measured = {name: PartStatistics.from_dict(value) for name, value in statistics.items()}
    return vector_transform(parts, modes, rotations, measured, padded)
