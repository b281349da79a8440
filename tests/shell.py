"""`gr00t` in this process, as a user types it."""

import contextlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

from gr00t_model.shell.main import main


@dataclass(frozen=True)
class Result:
    """What a verb left: its status and what it printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both, what was asked for first."""
        return self.stdout + self.stderr


def invoke(words: Iterable[object]) -> Result:
    """Run the console script with these words; an error that it does not explain is raised."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            return Result(int(ended.code or 0), out.getvalue(), err.getvalue())
