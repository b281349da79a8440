"""Arrays on the wire, in the four ways of the published clients. Nothing is ever unpickled.

- ``npy`` (dialects A and B): ``{"__ndarray_class__": true, "as_npy": bytes of numpy.save}``.
- ``nd`` (dialect C, the package msgpack-numpy): ``{b"nd": true, b"type", b"kind", b"shape", b"data"}``.
- ``openpi``: ``{b"__ndarray__": true, b"data", b"dtype", b"shape"}``, of a number ``b"__npgeneric__"``.
- ``json`` (the package json-numpy): ``{"__numpy__": base64, "dtype", "shape"}``.

Every size that a message declares is compared with the bytes that are there before anything is made of them, and arrays
are views of those bytes.
"""

import binascii
import io
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Literal

import numpy as np

from gr00t_model.serve.wire.call import WireError

Form = Literal["npy", "nd", "openpi", "json"]

_DIMENSIONS = 8
"""An observation has five at most."""
_NUMBER = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_TEXT = re.compile(r"[<>=]?U[1-9]\d{0,3}")
"""Texts of a fixed width, up to 9,999 characters."""
_NPY_MAGIC = b"\x93NUMPY"
_NPY_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[^']{1,12})', 'fortran_order': (?P<fortran>True|False), "
    r"'shape': \((?P<shape>(?:\d{1,18}, ?)*\d{0,18})\),? ?\} *\n"
)
_LARGEST_NPY_HEADER = 4096


def read_npy(value: Mapping[object, object], where: str) -> object:
    """The array of bytes of ``numpy.save``, versions 1 to 3."""
    blob = _bytes(value, "as_npy", where)
    if blob[:6] != _NPY_MAGIC or len(blob) < 12 or blob[6] not in (1, 2, 3):
        raise WireError(f"{where}: as_npy is not what numpy.save writes")
    start = 10 if blob[6] == 1 else 12
    end = start + int.from_bytes(blob[8:start], "little")
    if end > min(len(blob), _LARGEST_NPY_HEADER):
        raise WireError(f"{where}: the header of as_npy has {end - start:,} bytes, as_npy has {len(blob):,}")
    header = _NPY_HEADER.fullmatch(blob[start:end].decode("latin-1"))
    if header is None:
        told = blob[start:end].strip()
        raise WireError(f"{where}: expected an array of numbers, found {told!r:.120}; send no objects or records")
    shape = [int(part) for part in header["shape"].split(",") if part.strip()]
    return _array(header["dtype"], shape, memoryview(blob)[end:], where, "F" if header["fortran"] == "True" else "C")


def read_nd(value: Mapping[object, object], where: str) -> object:
    """An array, or with ``nd`` false a number, of msgpack-numpy."""
    if value.get(b"kind", b"") not in (b"", ""):
        raise WireError(f"{where}: an array of kind {value[b'kind']!r:.20}; send numbers, no objects or records")
    shape = value.get(b"shape") if value[b"nd"] is True else []
    return _array(value.get(b"type"), shape, _bytes(value, b"data", where), where)


def read_openpi(value: Mapping[object, object], where: str) -> object:
    """An array of openpi-client."""
    return _array(value.get(b"dtype"), value.get(b"shape"), _bytes(value, b"data", where), where)


def read_openpi_number(value: Mapping[object, object], where: str) -> object:
    """A numpy number of openpi-client."""
    number = value.get(b"data")
    if not isinstance(number, bool | int | float):
        raise WireError(f"{where}: expected a number, found {type(number).__name__}")
    return number


def read_json(value: Mapping[object, object], where: str) -> object:
    """An array of json-numpy."""
    text = value["__numpy__"]
    try:
        data = b64decode(text if isinstance(text, str) else "-", validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"{where}: __numpy__ is not base64 ({error})") from error
    return _array(value.get("dtype"), value.get("shape"), data, where)


Reader = Callable[[Mapping[object, object], str], object]
READERS: Mapping[object, tuple[Form, Reader]] = {
    "__ndarray_class__": ("npy", read_npy),
    b"nd": ("nd", read_nd),
    b"__ndarray__": ("openpi", read_openpi),
    b"__npgeneric__": ("openpi", read_openpi_number),
    "__numpy__": ("json", read_json),
}
"""By the key that marks a mapping as an array."""


def write(array: np.ndarray, form: Form) -> dict[object, object]:
    """The mapping that stands for an array, byte for byte as the published code writes it.

    Raises:
        WireError: an array of objects or records.
    """
    if array.dtype.kind not in "biufU":
        raise WireError(f"an array of {array.dtype} does not travel; give numbers")
    if form == "npy":
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        return {"__ndarray_class__": True, "as_npy": file.getvalue()}
    dtype, data = array.dtype.str, array.tobytes()
    if form == "nd":
        return {b"nd": True, b"type": dtype, b"kind": b"", b"shape": array.shape, b"data": data}
    if form == "openpi":
        return {b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": array.shape}
    return {"__numpy__": b64encode(data).decode(), "dtype": dtype, "shape": array.shape}


def _bytes(value: Mapping[object, object], key: str | bytes, where: str) -> bytes:
    found = value.get(key)
    if not isinstance(found, bytes):
        raise WireError(f"{where}: expected bytes as {key!r}, found {type(found).__name__}")
    return found


def _array(
    dtype: object, shape: object, data: bytes | memoryview, where: str, order: Literal["C", "F"] = "C"
) -> object:
    """The array, in the byte order of this machine; of texts a list of them."""
    kind = dtype.decode("latin-1") if isinstance(dtype, bytes) else dtype
    if not isinstance(kind, str) or not (_NUMBER.fullmatch(kind) or _TEXT.fullmatch(kind)):
        raise WireError(f"{where}: expected numbers (b, i, u, f) or texts, found the type {dtype!r:.60}")
    sides, element = _shape(shape, where), np.dtype(kind)
    if (wanted := prod(sides) * element.itemsize) != len(data):
        raise WireError(f"{where}: {element} {sides} takes {wanted:,} bytes, found {len(data):,}")
    if not wanted:
        raise WireError(f"{where}: {element} {sides} holds no values")
    array = np.frombuffer(data, element).reshape(sides, order=order)
    if element.kind == "U":
        return _texts(array, where)
    return array if element.isnative else array.astype(element.newbyteorder("="))


def _texts(array: np.ndarray, where: str) -> object:
    try:
        return array.tolist()
    except ValueError as error:
        raise WireError(f"{where}: texts that are no Unicode ({error})") from error


def _shape(shape: object, where: str) -> list[int]:
    """Sides that are whole numbers; few of them."""
    if not isinstance(shape, Sequence) or isinstance(shape, str | bytes) or len(shape) > _DIMENSIONS:
        raise WireError(f"{where}: expected a shape of up to {_DIMENSIONS} whole numbers, found {shape!r:.80}")
    for side in shape:
        if isinstance(side, bool) or not isinstance(side, int) or not 0 <= side < 2**40:
            raise WireError(f"{where}: the shape holds {side!r:.40}, expected whole numbers from 0 on")
    return list(shape)
