"""Padding in time: known values."""

import numpy as np
import pytest

from gr00t_data.horizon import chunk_rows, window

VALUES = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])


def test_inside_the_episode() -> None:
    chunk, valid = window(VALUES, 0, 2)
    assert chunk.tolist() == [[1, 10], [2, 20]] and valid.tolist() == [True, True]


def test_absolute_values_stay_and_relative_ones_stop() -> None:
    chunk, valid = window(VALUES, 1, 4, absolute=np.array([True, False]))
    assert chunk.tolist() == [[2, 20], [3, 30], [3, 0], [3, 0]]
    assert valid.tolist() == [True, True, False, False]


def test_a_horizon_longer_than_the_episode() -> None:
    chunk, valid = window(VALUES, 2, 5)
    assert chunk.tolist() == [[3, 30]] * 5 and valid.tolist() == [True] + [False] * 4


@pytest.mark.parametrize("frame", [-1, 3])
def test_a_frame_outside(frame: int) -> None:
    with pytest.raises(IndexError, match=f"frame {frame} is outside an episode of 3 frames"):
        window(VALUES, frame, 2)


def test_rows_of_a_batch_are_those_of_single_windows() -> None:
    frames, lengths = np.array([0, 2, 4]), np.array([3, 3, 5])
    rows, valid = chunk_rows(frames, lengths, 4)
    assert rows.tolist() == [[0, 1, 2, 3], [2, 3, 3, 3], [4, 5, 5, 5]]
    assert valid.tolist() == [[True, True, True, False], [True, False, False, False], [True, False, False, False]]
