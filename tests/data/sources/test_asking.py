"""What is asked of the recordings of a drop is answered elsewhere: one that ends its reader costs itself only."""

import os
from pathlib import Path

import pytest

from gr00t_data.limits import LimitError
from gr00t_data.sources.formats.asking import asked, first_answer
from gr00t_data.sources.recordings.streams import StreamError


def _read(path: Path) -> list[str]:
    if path.stem == "evil":
        os.abort()
    if path.stem == "large":
        raise LimitError("it has 7 things, at most 3")
    return path.read_text().split()


def test_one_that_crashes_is_passed_over(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.txt" for name in ("evil", "large", "empty", "good", "other")]
    for path in paths:
        path.write_text("" if path.stem == "empty" else path.stem)
    assert first_answer(tmp_path, paths, _read, "words") == ["good"]
    with pytest.raises(StreamError, match=r"evil.txt: reading it ended the reader \(signal 6, SIGABRT\)"):
        asked(paths[0], _read)
    with pytest.raises(StreamError, match="at most 3"):
        first_answer(tmp_path, paths[:2], _read, "words")
    with pytest.raises(StreamError, match="holds no readable words"):
        first_answer(tmp_path, paths[2:3], _read, "words")
    with pytest.raises(StreamError, match="it has 7 things, at most 3"):
        asked(paths[1], _read)
