"""The figures of the house, by hand."""

import shutil
from pathlib import Path

from benchmarks.house.__main__ import floors, least, most, said
from benchmarks.house.additions import ADDITIONS, compared
from benchmarks.house.sizes import ROOT, annotated, functions, length, lengths

CODE = '''class Box:
    """A box."""

    def wide(self, by: int) -> int:
        """Half as wide again."""

        def more(x):
            return x + by // 2

        return more(by)


async def late(*values: int, **named) -> None:
    pass


def complete(*, a: int, b: "str" = "") -> None: ...
'''


def test_functions_are_found_and_measured(tmp_path: Path) -> None:
    (tmp_path / "box.py").write_text(CODE)
    found = {one.name: one for one in functions([tmp_path / "box.py"])}
    assert {name: length(one) for name, one in found.items()} == {"wide": 7, "more": 2, "late": 2, "complete": 1}
    assert {name for name, one in found.items() if annotated(one)} == {"wide", "complete"}
    assert lengths([tmp_path / "box.py"]) == [17]


def test_what_is_added_to_a_copy_is_counted(tmp_path: Path) -> None:
    copy = tmp_path / "some_test0/copy"
    (copy / "gr00t_data/store").mkdir(parents=True)
    for name in ("gr00t_data/disk.py", "gr00t_data/lake.py"):
        shutil.copy(ROOT / name, copy / name)
    assert compared(tmp_path) == (0, 0)
    (copy / "gr00t_data/disk.py").write_text((ROOT / "gr00t_data/disk.py").read_text() + "MORE = 1\n")
    (copy / "gr00t_data/store/shelf.py").touch()
    (tmp_path / "some_test0/notes.py").touch()  # of the test, not of the copy
    (tmp_path / "lake/embodiments").mkdir(parents=True)
    (tmp_path / "lake/embodiments/claw.yaml").touch()
    assert compared(tmp_path) == (2, 1)
    assert (said(1, 0), said(1, 1), said(0, 2)) == ("1", "1 + 1 line", "0 + 2 lines")


def test_a_bound_that_is_broken_is_told() -> None:
    assert most("lines", 3, 3).holds and not most("lines", 4, 3).holds
    assert least("share", 0.5, 0.5).holds and not least("share", 0.49, 0.5).holds


def test_the_floors_hold_and_every_addition_names_a_test() -> None:
    assert all(one.holds for one in floors())
    for one in ADDITIONS:
        file, _, test = one.test.partition("::")
        assert f"def {test}(" in (ROOT / file).read_text(), one.what
