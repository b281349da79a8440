"""Instructions to token ids: the published chat template, a short one for the small preset, and left padding."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gr00t_data.disk import read_json, write_json
from gr00t_model.groot.config import KeypointConfig

PAD, IMAGE, BEGIN_IMAGE, END_IMAGE, END = "<pad>", "<image>", "<begin_image>", "<end_image>", "<end>"
"""The special tokens of a tokenizer trained here, numbered from 0 in this order."""
_SPECIAL = [PAD, IMAGE, BEGIN_IMAGE, END_IMAGE, END]
_SETTINGS = "prompt.json"
_VOCABULARY = 512
_PUBLISHED_IMAGE_TOKENS = 256


class PromptError(ValueError):
    """An instruction that cannot become a prompt, or a folder without a tokenizer; the message says what to do."""


def published_text(instruction: str, images: int, image_tokens: int) -> str:
    """The chat turn of N1.5: every image as its own numbered run of placeholders, then the instruction."""
    pictures = "".join(
        f"<image {number}><img>{'<IMG_CONTEXT>' * image_tokens}</img>" for number in range(1, images + 1)
    )
    return (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{pictures}{instruction}<|im_end|>\n<|im_start|>assistant\n"
    )


def nano_text(instruction: str, images: int, image_tokens: int) -> str:
    """As short as it can be: each token costs time in every layer."""
    picture = f"{BEGIN_IMAGE}{IMAGE * image_tokens}{END_IMAGE}"
    return f"{picture * images} {instruction}{END}"


TEMPLATES: dict[str, Callable[[str, int, int], str]] = {"published": published_text, "nano": nano_text}


class Prompt:
    """Instructions to (ids, mask), left-padded so that the last token of every row is the last word of its prompt.

    Args:
        tokenizer: the checkpoint's own, with its image placeholder among the special tokens.
        template: a key of TEMPLATES.
        image_tokens: placeholders per image: the vision tower's tokens per image.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        template: str = "published",
        image_tokens: int = _PUBLISHED_IMAGE_TOKENS,
    ):
        self.tokenizer, self.template, self.image_tokens = tokenizer, template, image_tokens

    def __call__(self, instructions: Sequence[str], n_images: int) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"]]:
        """Ids int64 and mask int64 (1 on real tokens); PromptError on an empty text or a special token in it."""
        for instruction in instructions:
            self._check(instruction)
        texts = [TEMPLATES[self.template](text, n_images, self.image_tokens) for text in instructions]
        rows = [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        width = max(len(row) for row in rows)
        padding = self.tokenizer.convert_tokens_to_ids(str(self.tokenizer.pad_token))
        ids = [[padding] * (width - len(row)) + row for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids), torch.tensor(mask)

    def _check(self, instruction: str) -> None:
        if not instruction.strip():
            raise PromptError("the instruction is empty; say what the robot is to do")
        for token in self.tokenizer.get_added_vocab():
            if token in instruction:
                raise PromptError(f"the instruction {instruction!r} holds the special token {token!r}; reword it")

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read the tokenizer files of a checkpoint (or of its ``tokenizer`` folder); no network is used.

        Raises:
            PromptError: there are none.
        """
        folder = Path(folder)
        if (folder / "tokenizer").is_dir():
            folder = folder / "tokenizer"
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            raise PromptError(f"{folder} has no tokenizer.json or vocab.json; copy the checkpoint's tokenizer there")
        tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        settings = read_json(folder / _SETTINGS) if (folder / _SETTINGS).is_file() else {}
        return cls(tokenizer, **settings)

    def save(self, folder: Path | str) -> None:
        self.tokenizer.save_pretrained(folder)
        write_json(Path(folder) / _SETTINGS, {"template": self.template, "image_tokens": self.image_tokens})


def train_tokenizer(
    texts: Iterable[str], folder: Path | str, image_tokens: int = KeypointConfig().tokens_per_image
) -> Prompt:
    """Learn a byte-level BPE of at most 512 tokens from the instructions, save it, and return its prompt.

    Any text can be encoded: bytes it never saw fall back to single-byte tokens. Equal texts give equal files.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=_SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(set(texts)), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, additional_special_tokens=_SPECIAL[1:4]
    )
    prompt = Prompt(fast, "nano", image_tokens)
    prompt.save(folder)
    return prompt
