"""Rows of several batches in one, where they differ in the number of cameras or of tokens."""

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor
from torch.nn import functional

from gr00t_data.batches.batch import Batch

_VIEWS = ("images", "future_images")
_TOKENS = ("vl_features", "attention_mask")
_MADE_FROM_IMAGES = ("view_mask", "input_ids")


def merge_rows(parts: Sequence[Batch], places: Sequence[int], **prompt: Tensor) -> Batch:
    """One batch of the rows of ``parts``.

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
        lacking = longest - value.shape[1]
        before, after = (0, lacking) if name in _VIEWS else (lacking, 0)
        padded.append(functional.pad(value, (0, 0) * (value.ndim - 2) + (before, after)) if lacking else value)
    return padded


def _view_mask(parts: Sequence[Batch], order: Tensor) -> dict[str, Tensor]:
    """Which views are real; nothing when all rows have the same number."""
    counts = torch.tensor([part.images.shape[1] for part in parts if part.images is not None for _ in range(len(part))])
    if not len(counts) or counts.min() == counts.max():
        return {}
    return {"view_mask": torch.arange(int(counts.max())) < counts[order][:, None]}
