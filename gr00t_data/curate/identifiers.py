"""Names that programs give to things, where a sentence should stand."""

import re

_SNAKE = re.compile(r"^\w*[^\W_]_+[^\W_]\w*$")
_CAMEL = re.compile(r"^(?=\w*[a-z0-9][A-Z])[A-Za-z0-9]+$")
_KEBAB = re.compile(r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)+$")
_DOTTED = re.compile(r"^[\w-]+(\.[\w-]+)+$")
_COUNTED = re.compile(r"^[A-Za-z]+[.:#-]?\d+$")
_HASH = re.compile(r"^(?=.*\d)[0-9a-fA-F-]{8,}$")
_PATH = re.compile(r"^\S*[/\\]\S*$")
_WORD_AND_NUMBER = re.compile(
    r"^(task|subtask|episode|demo|demonstration|trial|run|exp|experiment|scene|skill|take|session)\W*\d+$",
    re.IGNORECASE,
)
_SHAPES = (_SNAKE, _CAMEL, _KEBAB, _DOTTED, _COUNTED, _HASH, _PATH)


def is_identifier(text: str) -> bool:
    """Whether a text is a name of a task, class, environment, folder or recording and no instruction.

    One word in the shape of a name (``pick_and_place_v2``, ``PnPFromPlateToBowlSplitA``, ``drawer-open-v2``,
    ``libero/kitchen``, ``task0``, a hash), a counted thing (``task 0``), or several words most of which have that
    shape. A plain word, such as ``wave``, is an instruction.
    """
    plain = text.strip().strip(".!?,;:'\"()[]<>{}` ")
    words = plain.split()
    if _WORD_AND_NUMBER.match(plain):
        return True
    return bool(words) and 2 * sum(any(shape.match(word) for shape in _SHAPES) for word in words) > len(words)
