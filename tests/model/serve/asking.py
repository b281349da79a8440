"""Requests as clients of the three dialects send them, byte for byte their encodings, and a socket to send them by."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import zmq

from gr00t_data.embodiment.robot import Embodiment, Selection

SIDE_PX = 32


class Client:
    """A REQ, as every published client has one."""

    def __init__(self, address: str, timeout_s: float = 20.0) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.RCVTIMEO, int(1e3 * timeout_s))
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(address)

    def raw(self, frame: bytes) -> bytes:
        self.socket.send(frame)
        return self.socket.recv()

    def ask(self, dialect: str, endpoint: str, data: Any = None, **more: Any) -> Any:
        """What the endpoint answers, decoded."""
        return unpacked(dialect, self.raw(request(dialect, endpoint, data, **more)))

    def close(self) -> None:
        self.socket.close()
        self._context.term()


@contextmanager
def client(address: str, timeout_s: float = 20.0) -> Iterator[Client]:
    one = Client(address, timeout_s)
    try:
        yield one
    finally:
        one.close()


def request(dialect: str, endpoint: str, data: Any = None, **more: Any) -> bytes:
    said = {"endpoint": endpoint, **({} if data is None else {"data": data}), **more}
    return msgpack.packb(said, default=_npy if dialect in "AB" else msgpack_numpy.encode)


def _npy(value: object) -> object:
    if not isinstance(value, np.ndarray):
        return value
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=False)
    return {"__ndarray_class__": True, "as_npy": stream.getvalue()}


def unpacked(dialect: str, frame: bytes) -> Any:
    def hook(value: dict[Any, Any]) -> Any:
        if "__ndarray_class__" in value:
            return np.load(io.BytesIO(value["as_npy"]), allow_pickle=False)
        return msgpack_numpy.decode(value) if b"nd" in value else value

    return msgpack.unpackb(frame, object_hook=hook, strict_map_key=False)


def flat(robot: Embodiment, selection: Selection, rows: int = 0, side_px: int = SIDE_PX) -> dict[str, Any]:
    """An observation of dialect A; with a batch dimension where ``rows`` says so."""
    rng, lead = np.random.default_rng(0), (rows,) if rows else ()
    shape = (*lead, 1, side_px, side_px, 3)
    seen: dict[str, Any] = {
        f"video.{name}": rng.integers(256, size=shape, dtype=np.uint8) for name in selection.cameras
    }
    for name in selection.state:
        seen[f"state.{name}"] = rng.uniform(-0.1, 0.1, (*lead, 1, robot.state_part(name).dim))
    return seen | {selection.language: ["follow the red square"] * (rows or 1)}


def nested(robot: Embodiment, selection: Selection, rows: int = 1) -> dict[str, Any]:
    """``data`` of a get_action of dialects B and C."""
    seen = flat(robot, selection, rows)
    sides = {
        side: {k.removeprefix(f"{side}."): v for k, v in seen.items() if k.startswith(side)}
        for side in ("video", "state")
    }
    sides["state"] = {name: values.astype(np.float32) for name, values in sides["state"].items()}
    language = {selection.language: [[text] for text in seen[selection.language]]}
    return {"observation": {**sides, "language": language}, "options": None}
