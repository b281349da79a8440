"""What every benchmark shares: exit statuses, tables, and medians of seconds."""

from collections.abc import Iterator
from itertools import count

import pytest

from benchmarks.clocks import medians
from benchmarks.command import Json, show, status, table


def test_the_exit_status_tells_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    def main(times: int = 1, as_json: Json = False) -> bool:
        show({"times": times}, table(("what", "times"), [("ratio", times)]), as_json, indent=None)
        return times <= 2

    assert status(main, []) == 0 and status(main, ["--times", "3", "--json"]) == 1
    assert capsys.readouterr().out == '| what | times |\n|---|---|\n| ratio | 1 |\n{"times": 3}\n'
    assert status(main, ["--time", "3"]) == 2 and status(main, ["--times", "many"]) == 2
    assert "Unknown option: --time" in capsys.readouterr().err
    assert status(lambda: None, []) == 0


def test_medians_leave_out_the_warm_up_and_take_turns() -> None:
    turns: list[str] = []
    ticks: Iterator[int] = count()
    found = medians({name: lambda name=name: turns.append(name) for name in "ab"}, 2, 1, lambda: next(ticks) ** 2)
    assert turns == ["a", "b"] * 3
    assert found == {"a": (9 + 17) / 2, "b": (13 + 21) / 2}
