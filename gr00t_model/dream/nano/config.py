"""Sizes of the nano world model. No torch."""

from pydantic import Field

from gr00t_data.settings import Settings
from gr00t_model.dream.world_model import ClipShape

NANO_CONFIG = "nano.json"


class NanoConfig(Settings):
    """About 5 M parameters. Defaults: 25 frames of 64 px at 20 fps (1.25 s, the shortest demonstrations).

    Attributes:
        block_px, block_frames, codes, picture_codes: see ``nano_codec.Blocks``.
        patch: blocks of a token, in height and in width.
        vocabulary, most_words: of the tokenizer.
        shift: of the noise levels towards the noisy end, in training and in sampling.
    """

    shape: ClipShape = ClipShape(frames=25, fps=20, height=64, width=64)
    block_px: int = 8
    block_frames: int = 4
    codes: int = 48
    picture_codes: int = 32
    patch: int = 2
    width: int = 192
    heads: int = 4
    layers: int = 6
    text_width: int = 64
    vocabulary: int = 512
    most_words: int = Field(default=48, ge=8)
    sampling_steps: int = Field(default=20, ge=1, strict=True)
    shift: float = 2.0
