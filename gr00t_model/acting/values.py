"""What a robot or a client hands in, as numpy arrays of numbers and as texts; anything else is named."""

from collections.abc import Sequence

import numpy as np
import torch

MOST_ROWS = 1024
"""Rows of one observation: more is a mistake, and would take the memory of whatever else runs on the robot."""
MOST_CHARACTERS = 4096
"""Of one instruction: eight times what the published code reads of a prompt in tokens."""

_NUMBERS = "biuf"
_DEEPEST = 64
"""Dimensions that numpy has."""
_NOT_ARRAYS = (
    (bytes | bytearray | memoryview, "decode the picture or the message first"),
    (dict, "give the array itself"),
    (str, "give numbers"),
    (type(None), "leave no key empty"),
)


class ObservationError(ValueError):
    """An observation the policy cannot act on; the message names the key, what was found and what is expected."""


def told(value: object) -> str:
    """A value in a few words: its type, and of an array what it holds."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def array_of(key: str, value: object) -> np.ndarray:
    """The numbers of ``value`` as an array: numpy, nested lists, PIL pictures, torch on any device and of any float
    type, and whatever else numpy can read.

    Raises:
        ObservationError: it is no array of numbers.
    """
    for kind, remedy in _NOT_ARRAYS:
        if isinstance(value, kind):
            raise ObservationError(f"{key}: expected an array of numbers, found {told(value)}; {remedy}")
    try:
        array = np.asarray(_without_torch(value))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ObservationError(f"{key}: expected an array of numbers, found {told(value)} ({error})") from error
    if array.dtype.kind not in _NUMBERS:
        raise ObservationError(f"{key}: expected an array of numbers, found {told(array)}; give no texts or objects")
    return array


def _without_torch(value: object) -> object:
    """Tensors, also in lists, as numpy arrays; numpy has no bfloat16, so that becomes float32."""
    if isinstance(value, torch.Tensor):
        tensor = value.detach().to("cpu")
        return tensor.to(torch.float32).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    first = value
    for _ in range(_DEEPEST):
        first = first[0] if isinstance(first, list | tuple) and first else first
    if isinstance(value, list | tuple) and isinstance(first, torch.Tensor):
        return [_without_torch(one) for one in value]
    return value


def texts_of(key: str, value: object, rows: int) -> list[str]:
    """The instruction of every row, from one text, or from a list, tuple or array of one or ``rows`` texts.

    Raises:
        ObservationError: something that is no text, an empty or overlong one, or another number of them.
    """
    given = value.tolist() if isinstance(value, np.ndarray) else value
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list | tuple):
        raise ObservationError(f"{key}: expected a text or a list of {rows} texts, found {told(value)}")
    for text in found:
        _check_text(key, text, rows)
    texts = [str(text) for text in found]
    if len(texts) == 1:
        texts = texts * rows
    if len(texts) != rows or not all(text.strip() for text in texts):
        raise ObservationError(f"{key}: expected {rows} non-empty texts, found {texts!r:.200}")
    return texts


def _check_text(key: str, text: object, rows: int) -> None:
    if not isinstance(text, str):
        remedy = "decode it" if isinstance(text, bytes) else "give one flat list" if _many(text) else "say it in words"
        raise ObservationError(f"{key}: expected {rows} texts, found {told(text)} among them; {remedy}")
    if len(text) > MOST_CHARACTERS:
        raise ObservationError(f"{key}: a text has {len(text)} characters, expected up to {MOST_CHARACTERS}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ObservationError(f"{key}: the text {text!r:.80} holds half a character; decode it as UTF-8") from error


def _many(value: object) -> bool:
    return isinstance(value, Sequence | np.ndarray)
