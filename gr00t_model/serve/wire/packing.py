"""msgpack within bounds, and arrays inside it decoded: what any request or reply goes through first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgpack
import numpy as np

from gr00t_model.serve.wire.arrays import READERS, Form, write
from gr00t_model.serve.wire.call import Limits, WireError

_LONGEST_LIST = 4096
"""msgpack allocates a list by the length that it declares: numbers come as arrays, lists are of texts and steps."""


def unpack(frame: bytes, limits: Limits) -> object:
    """The message of a frame; mappings have texts or bytes as keys, arrays are still mappings.

    Raises:
        WireError: larger than the limits, not msgpack, cut off, followed by something, or with an extension type.
    """
    if len(frame) > limits.largest_bytes:
        raise WireError(f"the message has {len(frame):,} bytes, at most {limits.largest_bytes:,} are read")
    count = _Count(limits.entries)
    try:
        return msgpack.unpackb(
            frame,
            object_pairs_hook=count.mapping,
            list_hook=count.list,
            ext_hook=_refuse_extension,
            max_array_len=_LONGEST_LIST,
            max_map_len=_LONGEST_LIST,
            max_str_len=limits.largest_bytes,
        )
    except WireError:
        raise
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise WireError(f"the message is not msgpack, or is cut off ({error or type(error).__name__})") from error


@dataclass
class _Count:
    """Stops the unpacking when there are too many entries: an empty mapping takes one byte and 64 in memory."""

    left: int

    def _take(self, entries: int) -> None:
        self.left -= 1 + entries
        if self.left < 0:
            raise WireError("the message holds too many entries; send numbers as arrays")

    def mapping(self, pairs: list[tuple[object, object]]) -> dict[object, object]:
        self._take(len(pairs))
        found = dict(pairs)
        if len(found) != len(pairs):
            raise WireError("the message holds a key twice")
        return found

    def list(self, values: Sequence[object]) -> Sequence[object]:
        self._take(len(values))
        return values


def _refuse_extension(code: int, data: bytes) -> object:
    raise WireError(f"the message holds the extension type {code}; send plain values and arrays")


@dataclass
class Decoded:
    """Decodes the arrays of a message, and says in which forms they came.

    Attributes:
        allowed: forms that are read; another one is refused.
        seen: those that were found.
    """

    allowed: Collection[Form]
    limits: Limits
    seen: set[Form] = field(default_factory=set)

    def value(self, value: object, where: str, depth: int = 0) -> object:
        """``value`` with arrays in place of the mappings that stand for them.

        Raises:
            WireError: an array that is none, nesting or a text beyond the limits, keys that are no texts.
        """
        if depth > self.limits.depth:
            raise WireError(f"{where:.200}: more than {self.limits.depth} mappings or lists inside each other")
        if isinstance(value, list):
            return [self.value(one, f"{where}[{number}]", depth + 1) for number, one in enumerate(value)]
        if isinstance(value, Mapping):
            return self._mapping(value, where, depth)
        if isinstance(value, str) and len(value) > self.limits.characters:
            raise WireError(
                f"{where}: a text of {len(value):,} characters, at most {self.limits.characters:,} are read"
            )
        if value is None or isinstance(value, str | bytes | bool | int | float):
            return value
        raise WireError(f"{where}: expected plain values and arrays, found {type(value).__name__}")

    def _mapping(self, value: Mapping[object, object], where: str, depth: int) -> object:
        for mark, (form, reader) in READERS.items():
            if mark in value:
                if form not in self.allowed:
                    raise WireError(f"{where}: an array marked by {mark!r}, which this protocol does not know")
                self.seen.add(form)
                return reader(value, where)
        decoded = dict[str, object]()
        for key, one in value.items():
            if not isinstance(key, str) or len(key) > self.limits.characters:
                raise WireError(f"{where}: expected names as keys, found {key!r:.60}")
            decoded[key] = self.value(one, f"{where}.{key:.80}" if where else f"{key:.80}", depth + 1)
        return decoded


def written(value: object, form: Form) -> object:
    """What stands for an array or a numpy number.

    Raises:
        WireError: it is neither.
    """
    if isinstance(value, np.ndarray):
        return write(value, form)
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    raise WireError(f"a {type(value).__name__} does not travel; give arrays, numbers and texts")


def pack(value: object, form: Form) -> bytes:
    """A message as msgpack, its arrays in ``form``; numpy numbers become plain ones.

    Raises:
        WireError: something that does not travel.
    """
    try:
        return bytes(msgpack.packb(value, default=partial(written, form=form)) or b"")
    except (TypeError, ValueError, OverflowError) as error:
        raise error if isinstance(error, WireError) else WireError(f"the message cannot be written: {error}") from error
