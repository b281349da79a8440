"""A request as the server sees it, whatever it was written in, and what bounds the reading of one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Dialect = Literal["A", "B", "C", "http", "openpi"]
"""A: GR00T N1.5, B: N1.6, C: N1.7 (all over ZeroMQ); http: the JSON of N1.5; openpi: the websocket of openpi."""

INSTRUCTION = "annotation.human.task_description"
"""The key of the instruction in the published data configurations."""

TOKEN = "GR00T_API_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable that holds the token; nothing else does, so that no list of processes shows it."""


class WireError(ValueError):
    """Bytes that are no request or reply; the message says where, what was found and what is expected."""


@dataclass(frozen=True)
class Limits:
    """What a frame may hold; a larger one is refused before anything is allocated for it.

    Attributes:
        largest_bytes: of the frame. Three pictures of 640x480 take 2.8 MB; 64 MiB hold 8 rows of three of 1280x720.
        entries: entries of all its mappings and lists together.
        depth: mappings and lists inside each other; a batch of steps to be recorded has 7.
        characters: of one text, as an instruction may have.
    """

    largest_bytes: int = 64 * 2**20
    entries: int = 100_000
    depth: int = 12
    characters: int = 4096


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        dialect: in which it was written and is to be answered.
        endpoint: ``get_action`` where none is named.
        observation: of a ``get_action``, flat, as ``Policy.act`` takes it: ``video.<camera>``, ``state.<part>``, the
            instruction, and ``action.<part>`` where a running chunk came along. Arrays are read-only.
        options: plain values by name.
        token: as the client sent it, not compared with anything.
        batched: every state has a batch dimension, [B, T, D].
        data: of any other endpoint, as it was sent, arrays decoded.
        shown: the request can be of no other dialect. ``ping``, ``kill`` and ``get_modality_config`` are written alike
            in A, B and C.
    """

    dialect: Dialect
    endpoint: str = "get_action"
    observation: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    token: str | None = None
    batched: bool = False
    data: Mapping[str, object] = field(default_factory=dict)
    shown: bool = False


@dataclass(frozen=True)
class Modality:
    """The steps and keys of ``video``, ``state``, ``action`` or ``language``.

    Attributes:
        deltas: steps from now on: 0 is now.
        keys: names of cameras or parts; of ``language`` the whole key.
    """

    deltas: tuple[int, ...]
    keys: tuple[str, ...]


Modalities = Mapping[str, Modality]


def modalities(
    cameras: tuple[str, ...],
    state: tuple[str, ...],
    action: tuple[str, ...],
    horizon: int,
    instruction: str = INSTRUCTION,
) -> dict[str, Modality]:
    """What a policy reads and answers, by the published names.

    Args:
        cameras, state, action: names of the cameras and parts.
        horizon: steps of an answer.
        instruction: its whole key.
    """
    return {
        "video": Modality((0,), cameras),
        "state": Modality((0,), state),
        "action": Modality(tuple(range(horizon)), action),
        "language": Modality((0,), (instruction,)),
    }
