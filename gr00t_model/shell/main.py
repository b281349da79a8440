"""The console script `gr00t`: its verbs in groups, each imported when it is called for."""

import logging
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError, Group, Parameter

from gr00t_data.foreign_text import printable_lines
from gr00t_model.shell.app import say

_GROUPS = {
    "Data": {
        "ingest": ("demo", "ingest", "convert", "check", "embodiments"),
        "landing": ("landing",),
        "doctor": ("doctor", "explain"),
        "verify": ("verify",),
    },
    "Mixtures": {"mix": ("stats", "mix")},
    "Training": {"train": ("ground", "train", "checkpoints", "eval", "model", "merge")},
    "Generated video": {"dream": ("dream",), "idm": ("clips", "idm", "label"), "gate": ("gate",)},
    "People": {"human": ("human",), "hands": ("hands",), "privacy": ("withdraw",)},
    "Releases": {"release": ("release", "lineage", "reproduce")},
    "Robots": {"export": ("export",), "serve": ("serve",)},
}
"""Title -> file of ``gr00t_model.shell`` -> its verbs, each a function or an application of that name."""
VERBS = tuple(name for files in _GROUPS.values() for names in files.values() for name in names)
_ATTRIBUTES = {"eval": "evaluate", "model": "describe_model"}


def _version() -> str:
    from importlib.metadata import version

    return version("gr00t-lake")


def _application() -> App:
    made = App(
        name="gr00t",
        help="Robot data, and the GR00T N1.5 models that learn from it. `gr00t VERB --help` says more.",
        version=_version,
        help_format="plaintext",
        default_parameter=Parameter(negative_iterable=(), negative_none=()),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
    )
    for order, (title, files) in enumerate(_GROUPS.items()):
        group = Group(title, sort_key=order)
        for place, (name, file) in enumerate((name, file) for file, names in files.items() for name in names):
            target = f"gr00t_model.shell.{file}:{_ATTRIBUTES.get(name, name)}"
            made.command(target, name=name, group=group, sort_key=place)
    return made


app = _application()


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run the console script; what a user can mend is one line on standard error and exit status 2."""
    words = sys.argv[1:] if words is None else words
    _say_what_python_says()
    try:
        if not words or words[0] in app.help_flags:
            _ = [app[name] for name in VERBS]  # read for the first line of what each says about itself
        sys.exit(app(words) or 0)
    except CycloptsError as error:
        _fail(f"{error} `gr00t {' '.join([*(error.command_chain or ()), '--help'])}` says what there is")
    except (ValueError, OSError, RuntimeError) as error:
        if not type(error).__module__.startswith(("gr00t_", "builtins")):
            raise
        if isinstance(error, RuntimeError) and type(error).__module__ == "builtins":
            raise
        _fail(error)


class _Plain(logging.Formatter):
    """Messages quote data."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        return printable_lines(super().format(record), "  ")


def _say_what_python_says() -> None:
    """Errors that nobody explains, warnings and the log go to standard error by Python's own hands: as plain text."""
    sys.excepthook = lambda *raised: say("".join(traceback.format_exception(*raised)).rstrip())
    warnings.showwarning = lambda text, kind, file, line, *_: say(f"{file}:{line}: {kind.__name__}: {text}")
    if logging.lastResort:
        logging.lastResort.setFormatter(_Plain())


def _fail(error: object) -> NoReturn:
    say(f"error: {error}", style="red")
    sys.exit(2)
