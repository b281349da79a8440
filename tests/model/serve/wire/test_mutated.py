"""Thousands of damaged frames: each is a call or a WireError, never anything else, and soon."""

import random
import time
from collections.abc import Callable

import msgpack
import pytest

from gr00t_model.serve.wire import asking, dialects, http, openpi
from gr00t_model.serve.wire.call import Call, WireError
from tests.model.serve.wire.recorded import bodies, frames, needs_recordings, packed
from tests.model.serve.wire.test_dialects import request_b

TRIES = 60
"""Of each frame and kind of damage."""


OTHERS = (None, True, -1, 2**63, 1.5, float("nan"), "x", b"x", [], {}, [[[]]], {b"nd": True}, {"__ndarray_class__": 1})


def flipped(frame: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(frame)
    for _ in range(chance.randint(1, 6)):
        damaged[chance.randrange(len(frame))] = chance.randrange(256)
    return bytes(damaged)


def cut(frame: bytes, chance: random.Random) -> bytes:
    return frame[: chance.randrange(len(frame))]


def spliced(frame: bytes, chance: random.Random) -> bytes:
    start, end, at = (chance.randrange(len(frame)) for _ in range(3))
    return frame[:at] + frame[min(start, end) : max(start, end)] + frame[at:]


def swollen(frame: bytes, chance: random.Random) -> bytes:
    """A header of msgpack that declares much."""
    at = chance.randrange(len(frame))
    return frame[:at] + chance.choice((b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9")) + chance.randbytes(4) + frame[at:]


def retyped(frame: bytes, chance: random.Random) -> bytes:
    """The message with one of its values replaced by one of another kind; not of what is no message."""
    try:
        message = msgpack.unpackb(frame, strict_map_key=False)
    except (ValueError, msgpack.UnpackException):
        return frame
    other = chance.choice(OTHERS)
    return packed(_replaced(message, other, chance))


def _replaced(value: object, other: object, chance: random.Random) -> object:
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        return value | {key: _replaced(value[key], other, chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        return [*value[:at], _replaced(value[at], other, chance), *value[at + 1 :]]
    return other


DAMAGES = (flipped, cut, spliced, swollen, retyped)


def survived(read: Callable[[bytes], object], frame: bytes) -> bool:
    """Whether it was read; anything but a WireError fails the test."""
    began = time.perf_counter()
    try:
        read(frame)
    except WireError as error:
        assert str(error)
        return False
    finally:
        assert time.perf_counter() - began < 1
    return True


@needs_recordings
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_requests_are_calls_or_wire_errors(damage: Callable[[bytes, random.Random], bytes]):
    chance = random.Random(f"requests {damage.__name__}")
    whole = [request for name in ("n15_zmq", "n17main_zmq") for request, _ in frames(name).values()] + [request_b()]
    outcomes = [survived(dialects.read, damage(frame, chance)) for frame in whole for _ in range(TRIES)]
    outcomes += [survived(openpi.read, damage(frame, chance)) for frame in whole for _ in range(TRIES // 3)]
    assert False in outcomes and (True in outcomes or damage in (cut, swollen))


@needs_recordings
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_replies_are_values_or_wire_errors(damage: Callable[[bytes, random.Random], bytes]):
    def read(frame: bytes) -> object:
        told = asking.answer(frame)
        return asking.modalities(told) if isinstance(told, dict) and "video" in told else asking.actions(told, True)

    chance = random.Random(f"replies {damage.__name__}")
    whole = [reply for name in ("n15_zmq", "n17main_zmq") for _, reply in frames(name).values()]
    assert False in [survived(read, damage(frame, chance)) for frame in whole for _ in range(TRIES)]


@needs_recordings
@pytest.mark.parametrize("damage", DAMAGES[:3])
def test_damaged_bodies_are_calls_or_wire_errors(damage: Callable[[bytes, random.Random], bytes]):
    chance = random.Random(f"bodies {damage.__name__}")
    whole = [told["request"].encode() for told in bodies().values() if "request" in told]
    assert False in [survived(http.read, damage(frame, chance)) for frame in whole for _ in range(5 * TRIES)]


@needs_recordings
def test_noise_is_never_a_call():
    chance = random.Random("noise")
    read: list[Call] = []
    for _ in range(2000):
        try:
            read.append(dialects.read(chance.randbytes(chance.randrange(1, 64))))
        except WireError:
            continue
    assert read == []
