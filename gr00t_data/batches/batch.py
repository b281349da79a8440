"""Batch: the contract between the loader and the model. Every field with shape, dtype and range."""

from dataclasses import dataclass, fields, replace

import torch


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
        future_images: uint8 [B, V, H, W, 3], the frame ``horizon`` after the observation, or None.
        future_mask: bool [B]: True where the future frame exists (inside the episode), or None.
        vl_features: float32 [B, N, D], what the frozen backbone returned for this row (cached), or None.
        future_target: float32 [B, M, E], the FLARE target of the future frame (cached), or None.
        control_hz: float32 [B], steps a second of each row's action chunk (its embodiment's rate); None at inference.
        sample_ids: B strings ``<store digest 12>/<episode>/<frame>``: which frame of which episode each row is.
    """

    state: torch.Tensor
    state_mask: torch.Tensor
    embodiment_id: torch.Tensor
    images: torch.Tensor | None = None
    input_ids: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    action: torch.Tensor | None = None
    action_mask: torch.Tensor | None = None
    future_images: torch.Tensor | None = None
    future_mask: torch.Tensor | None = None
    vl_features: torch.Tensor | None = None
    future_target: torch.Tensor | None = None
    view_mask: torch.Tensor | None = None
    control_hz: torch.Tensor | None = None
    sample_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = {f.name: len(v) for f in fields(self) if isinstance(v := getattr(self, f.name), torch.Tensor)}
        if self.sample_ids:
            rows["sample_ids"] = len(self.sample_ids)
        if len(set(rows.values())) != 1:
            raise ValueError(f"the fields of a batch must have the same number of rows, found {rows}")

    def __len__(self) -> int:
        return len(self.embodiment_id)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch with every tensor on ``device``."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: v.to(device, non_blocking=True) for k, v in tensors.items() if isinstance(v, torch.Tensor)}
        return replace(self, **moved)
