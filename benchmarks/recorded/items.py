"""Every recorded item by name, and who compares it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.recorded import adapters, heads, inverse_dynamics, mixtures, prompts, vectors, videos, whole
from benchmarks.recorded.recording import Absent, Comparison, Comparisons, Recordings, uncompared

Compare = Callable[[Recordings], Comparisons]

MODEL: dict[str, Compare] = {
    "action_head": heads.action_head,
    "action_head_ft32": heads.action_head_ft32,
    "backbone": whole.backbone,
    "full_model": whole.full_model,
    "idm": inverse_dynamics.idm,
    "lora": adapters.lora,
    "prompt": prompts.prompt,
    "prompt token ids": prompts.token_ids,
}
DATA: dict[str, Compare] = {
    "dataset_statistics": vectors.dataset_statistics,
    "transforms_normalizer": vectors.normalizer,
    "transforms_rotations": vectors.rotations,
    "video": videos.video,
    "mixture": mixtures.mixture,
}

_INPUTS = ("outputs/x", "outputs/stat.", "outputs/image224_uint8", "outputs/windows.pred_f32", "outputs/unapply.input_")
"""Recorded beside the outputs, and read as inputs."""


def data_items(recordings: Recordings) -> dict[str, Compare]:
    """The items of the data, with every data configuration that was recorded."""
    names = vectors.configurations(recordings)
    return {**DATA, **{name: partial(vectors.transforms, name=name) for name in names}}


def every_item(recordings: Recordings) -> dict[str, Compare]:
    """All items, in the order of the table."""
    return {**MODEL, **data_items(recordings)}


@dataclass(frozen=True)
class Result:
    """One item: what was compared, or why nothing was."""

    item: str
    comparisons: tuple[Comparison, ...] = ()
    absent: str = ""
    uncompared: tuple[str, ...] = ()

    @property
    def failures(self) -> list[str]:
        return [str(c) for c in self.comparisons if not c.holds] + [
            f"{name}: recorded, but never compared" for name in self.uncompared
        ]


def compare(name: str, recordings: Recordings) -> Result:
    """Compare one item; an absent one says what is missing."""
    try:
        found = tuple(every_item(recordings)[name](recordings))
    except Absent as reason:
        return Result(name, absent=str(reason))
    if name not in {folder.name for folder in recordings.root.iterdir()}:
        return Result(name, found)  # a part of another item
    left = uncompared(recordings.item(name), found)
    return Result(name, found, uncompared=tuple(v for v in left if not _is_input(name, v, recordings)))


def _is_input(item: str, vector: str, recordings: Recordings) -> bool:
    if vector.startswith(_INPUTS):
        return True
    if item == "prompt":
        return vector in prompts.inputs(recordings.item(item))
    # Raw values are what the transforms read: compared only where the demonstration is there to read them from.
    return ".raw." in vector
