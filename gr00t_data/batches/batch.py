"""Batch: the contract between the loader and the model. Every field with shape, dtype and range."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Batch:
    """One training or inference batch.

    B rows, V cameras, N prompt tokens, T action horizon, S max_state_dim, A max_action_dim,
    D backbone width, M future tokens, E target width.

    Attributes:
        images: uint8 [B, V, H, W, 3] RGB 0..255, or None when ``vl_features`` is given.
        view_mask: bool [B, V], True where a row has that view; the others are zeros that nothing looks at. None: all.
        input_ids: int64 [B, N] prompt token ids, left-padded, or None when ``vl_features`` is given.
        attention_mask: int64 [B, N], 1 on real tokens; goes with ``input_ids`` or with ``vl_features``.
        state: float32 [B, 1, S] normalised, zero beyond the embodiment's dimensions.
        state_mask: bool [B, 1, S], True where a real state value stands; all false in rows without a state.
        action: float32 [B, T, A] normalised, or None at inference.
        action_mask: bool [B, T, A]: True where an action value counts in the loss (false on padded dimensions,
            on frames past the episode's end, and everywhere in rows without actions), or None at inference.
        embodiment_id: int64 [B], the slot of each row.
        future_images: uint8 [B, V, H, W, 3], the future frame (``horizon.future_row``), or None.
        future_mask: bool [B]: True where the future frame exists (inside the episode), or None.
        vl_features: float32 [B, N, D], what the frozen backbone returned for this row (cached), or None.
        future_target: float32 [B, M, E], the FLARE target of the future frame (cached), or None.
        control_hz: float32 [B], steps a second of each row's action chunk (its embodiment's rate); None at inference.
        sample_ids: B strings ``<store digest 12>/<episode>/<frame>``: which frame of which episode each row is.
    """

    state: Tensor
    state_mask: Tensor
    embodiment_id: Tensor
    images: Tensor | None = None
    input_ids: Tensor | None = None
    attention_mask: Tensor | None = None
    action: Tensor | None = None
    action_mask: Tensor | None = None
    future_images: Tensor | None = None
    future_mask: Tensor | None = None
    vl_features: Tensor | None = None
    future_target: Tensor | None = None
    view_mask: Tensor | None = None
    control_hz: Tensor | None = None
    sample_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = {f.name: len(v) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        if self.sample_ids:
            rows["sample_ids"] = len(self.sample_ids)
        if len(set(rows.values())) != 1:
            raise ValueError(f"the fields of a batch must have the same number of rows, found {rows}")

    def __len__(self) -> int:
        return len(self.embodiment_id)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch with every tensor on ``device``."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: v.to(device, non_blocking=True) for k, v in tensors.items() if isinstance(v, Tensor)}
        return replace(self, **moved)


_VIEWS = ("images", "future_images")
_TOKENS = ("vl_features", "attention_mask")
_MADE_FROM_IMAGES = ("view_mask", "input_ids")


def merge_rows(parts: Sequence[Batch], places: Sequence[int], **prompt: Tensor) -> Batch:
    """One batch of the rows of ``parts``, which may differ in the number of cameras or of tokens.

    Args:
        places: where each row goes, the rows of the first part first: a permutation of 0 .. rows - 1.
        prompt: ``input_ids`` and ``attention_mask`` of the whole batch, when it has images.

    Returns:
        missing views are zeros and false in ``view_mask``; missing tokens of cached features are zeros on the left and
        zero in ``attention_mask``.

    Raises:
        ValueError: a field is there in one part and not in another.
    """
    order = torch.tensor(places).argsort()
    merged: dict[str, Tensor] = {}
    for name in (field.name for field in fields(Batch) if field.name not in ("sample_ids", *_MADE_FROM_IMAGES)):
        values = [getattr(part, name) for part in parts]
        present = [value for value in values if value is not None]
        if present and len(present) != len(values):
            raise ValueError(f"some rows of the batch have {name} and others have not")
        if present:
            merged[name] = torch.cat(_alike(name, present))[order]
    names = [name for part in parts for name in part.sample_ids]
    ids = tuple(names[row] for row in order.tolist()) if names else ()
    return Batch(**(merged | _view_mask(parts, order) | prompt), sample_ids=ids)


def _alike(name: str, values: list[Tensor]) -> list[Tensor]:
    """The same tensors with the same second axis: views are added behind, tokens in front."""
    longest = max(value.shape[1] if value.ndim > 1 else 0 for value in values)
    if name not in (*_VIEWS, *_TOKENS):
        return values
    padded = []
    for value in values:
        missing = longest - value.shape[1]
        before, after = (0, missing) if name in _VIEWS else (missing, 0)
        padded.append(functional.pad(value, (0, 0) * (value.ndim - 2) + (before, after)) if missing else value)
    return padded


def _view_mask(parts: Sequence[Batch], order: Tensor) -> dict[str, Tensor]:
    """Which views are real; nothing when all rows have the same number."""
    counts = torch.tensor([part.images.shape[1] for part in parts if part.images is not None for _ in range(len(part))])
    if not len(counts) or counts.min() == counts.max():
        return {}
    return {"view_mask": torch.arange(int(counts.max())) < counts[order][:, None]}
