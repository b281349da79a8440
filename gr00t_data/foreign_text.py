"""Text of others (names, instructions, messages that quote data), so that it only ever shows what it is.

What is written for a terminal, a log or a page goes through here: nothing of it is markup, moves a cursor, turns the
direction of reading, or begins a line of its own.
"""

import re
from pathlib import Path

_POINTER = b"version https://git-lfs.github.com/spec/"
"""First line of a pointer of git-lfs, which a clone leaves in place of a large file that nobody fetched."""
_MARKDOWN = re.compile(r"[\\`*{}\[\]<>|~&$]|(?<!\w)_|_(?!\w)")


def printable(text: object) -> str:
    """A text on one line: what is neither a letter, a sign nor a blank stands as an escape (line ends, control
    characters, overrides of the reading direction, signs nobody sees, bytes that are no UTF-8)."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(map(_shown, shown))


def printable_lines(text: object, indent: str = "") -> str:
    """The same for a message of several lines, which stay; ``indent`` begins all but the first."""
    return f"\n{indent}".join(map(printable, str(text).split("\n")))


def one_line(text: object) -> str:
    """A message on one line: its line ends and indents are blanks, all else is as ``printable`` shows it."""
    return printable(" ".join(str(text).split()))


def printable_json(text: str) -> str:
    """JSON with every such character as JSON's own escape: the same value to a program."""
    return "".join(one if one == "\n" or one.isprintable() else _escaped(one) for one in text)


def markdown(text: object) -> str:
    """As ``printable``, within Markdown: no link, picture, tag, emphasis or cell of a table comes of it."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))


def _shown(one: str) -> str:
    return one if one.isprintable() else one.encode("unicode_escape").decode()


def _escaped(one: str) -> str:
    units = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def pointer_told(path: Path) -> str:
    """What to say of a file that cannot be read because it is a pointer of git-lfs; empty where it is none."""
    try:
        with path.open("rb") as stream:
            pointer = stream.read(len(_POINTER)) == _POINTER
    except OSError:
        return ""
    return f"{path}: is a git-lfs pointer, not the file; run `git lfs pull` in the clone it is from" if pointer else ""
