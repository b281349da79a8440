"""Shares of sources: known values, exact shares, ratios, caps, and wishes that cannot be met."""

import math

import pytest

from gr00t_data.batches.mixture.weights import Weighing, WeighingError, weigh

FRAMES = {"real": 1000, "small": 100, "dreams": 2700, "sim": 200}
KINDS = {"real": "real", "small": "real", "dreams": "neural", "sim": "simulated"}


def shares(**wish) -> dict[str, float]:
    found = weigh(FRAMES, KINDS, Weighing(**wish))
    assert math.isclose(math.fsum(found.values()), 1)
    return found


def test_by_frames_and_by_temperature() -> None:
    assert shares() == {"real": 0.25, "small": 0.025, "dreams": 0.675, "sim": 0.05}
    roots = {name: math.sqrt(count) for name, count in FRAMES.items()}
    assert shares(temperature=2) == pytest.approx({k: v / sum(roots.values()) for k, v in roots.items()})
    assert shares(temperature=math.inf) == dict.fromkeys(FRAMES, 0.25)


def test_a_named_share_is_exact_and_the_others_divide_the_rest() -> None:
    found = shares(shares={"small": 0.5})
    assert found["small"] == 0.5
    assert found["real"] == pytest.approx(0.5 * 1000 / 3900)


def test_neural_for_real() -> None:
    found = shares(neural_per_real=1.0)
    assert found["dreams"] == pytest.approx(0.5)
    assert found["real"] / found["small"] == pytest.approx(10)


def test_a_cap_on_what_no_camera_saw() -> None:
    found = shares(max_synthetic=0.4)
    assert found["dreams"] + found["sim"] == pytest.approx(0.4)
    assert found["dreams"] / found["sim"] == pytest.approx(13.5)
    assert shares(max_synthetic=0.9) == shares()
    assert shares(max_synthetic=0.0).keys() == {"real", "small"}


def test_a_named_share_stays_whatever_else_is_asked() -> None:
    """The cap falls on the simulator alone, the ratio is met by the real stores without a name."""
    capped = shares(shares={"dreams": 0.3, "real": 0.2}, max_synthetic=0.32)
    assert capped["dreams"] == 0.3 and capped["real"] == 0.2
    assert capped["sim"] == pytest.approx(0.02) and capped["small"] == pytest.approx(0.48)
    even = shares(shares={"real": 0.3}, neural_per_real=1.0)
    assert even["real"] == pytest.approx(0.3) and even["dreams"] == pytest.approx(0.5)
    with pytest.raises(WeighingError, match=r"0\.4 of the samples from dreams, sim; 0\.5 of that is given by name"):
        shares(shares={"dreams": 0.5}, max_synthetic=0.4)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"shares": {"other": 0.5}}, "name other; the stores are dreams, real, sim, small"),
        ({"shares": {"real": float("nan")}}, "the share of real is nan"),
        ({"shares": {"real": 0.0}}, "the share of real is 0.0"),
        ({"shares": {"real": 0.7, "sim": 0.5}}, "add up to 1.2"),
        ({"shares": {"real": 1.0}}, "dreams, sim, small would never be drawn"),
        ({"shares": {"real": 0.1, "small": 0.1, "dreams": 0.1, "sim": 0.1}}, "add up to 0.4, expected 1"),
        ({"temperature": 0.5}, "temperature is 0.5"),
        ({"neural_per_real": 0.0}, "neural_per_real is 0.0"),
        ({"max_synthetic": 1.5}, "max_synthetic is 1.5"),
    ],
)
def test_wishes_that_cannot_be_met(wish, message) -> None:
    with pytest.raises(WeighingError, match=message):
        shares(**wish)


def test_ratio_and_cap_without_the_stores_for_it() -> None:
    with pytest.raises(WeighingError, match="needs both neural stores and real"):
        weigh({"real": 10}, {"real": "real"}, Weighing(neural_per_real=1.0))
    with pytest.raises(WeighingError, match=r"0\.6 of the samples from other stores, but there are none"):
        weigh({"sim": 10}, {"sim": "simulated"}, Weighing(max_synthetic=0.4))
