"""Instructions to token ids: the published chat template, a short one for the small preset, and left padding."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Int
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

from gr00t_data.disk import read_json, require_few_values, write_json
from gr00t_data.limits import TOKENIZER_BYTES, require_within
from gr00t_model.groot.config import GrootConfig, KeypointConfig

PAD, IMAGE, BEGIN_IMAGE, END_IMAGE, END = "<pad>", "<image>", "<begin_image>", "<end_image>", "<end>"
"""The special tokens of a tokenizer trained here, numbered from 0 in this order."""
_SPECIAL = [PAD, IMAGE, BEGIN_IMAGE, END_IMAGE, END]
_SETTINGS = "prompt.json"
_VOCABULARY = 512
_PUBLISHED_IMAGE_TOKENS = 256
_MOST_IMAGE_TOKENS = 65_536
"""Those of a picture of 3584 pixels a side; each is a place in the prompt."""
_PUBLISHED_IMAGE = "<IMG_CONTEXT>"
_EAGLE_TOKENS = [_PUBLISHED_IMAGE, "<img>", "</img>", "<box>", "</box>", "<quad>", "</quad>", "<ref>", "</ref>"]
_EAGLE_TOKENS += ["<interval>", "</interval>"]
"""What Eagle 2.5 adds behind the tokens of Qwen3, in this order: ids 151669 to 151679."""


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


def left_padded(rows: Sequence[Sequence[int]], padding: int) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"]]:
    """Rows of token ids made equally long with ``padding`` in front, and the mask that is 1 on real tokens; int64."""
    width = max(len(row) for row in rows)
    ids = [[padding] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


class Prompt:
    """Instructions to (ids, mask), left-padded so that the last token of every row is the last word of its prompt.

    Args:
        tokenizer: the checkpoint's own, with its image placeholder among the special tokens.
        template: a key of TEMPLATES.
        image_tokens: placeholders per image: the vision tower's tokens per image.
        published_behaviour: write the instruction as the published policy does at inference, ``['text']`` with
            brackets and quotes, which is not what its training wrote. Never used in training.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        template: str = "published",
        image_tokens: int = _PUBLISHED_IMAGE_TOKENS,
        *,
        published_behaviour: bool = False,
    ):
        self.tokenizer, self.template, self.image_tokens = tokenizer, template, image_tokens
        self.published_behaviour = published_behaviour

    @property
    def image_token(self) -> int:
        """The id of the image placeholder; -1 when the tokenizer has none."""
        token = IMAGE if self.template == "nano" else _PUBLISHED_IMAGE
        return self.tokenizer.get_vocab().get(token, -1)

    def __call__(
        self, instructions: Sequence[str], n_images: int | Sequence[int]
    ) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"]]:
        """Ids int64 and mask int64 (1 on real tokens); PromptError on an empty text or a special token in it.

        Args:
            n_images: images of every row, or one number for each.
        """
        for instruction in instructions:
            self._check(instruction)
        counts = [n_images] * len(instructions) if isinstance(n_images, int) else n_images
        spoken = [str([text]) if self.published_behaviour else text for text in instructions]
        write = TEMPLATES[self.template]
        texts = [write(text, count, self.image_tokens) for text, count in zip(spoken, counts, strict=True)]
        rows = [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        padding = self.tokenizer.convert_tokens_to_ids(str(self.tokenizer.pad_token))
        assert isinstance(padding, int)  # a list only for a list of tokens
        return left_padded(rows, padding)

    def _check(self, instruction: str) -> None:
        if not instruction.strip():
            raise PromptError("the instruction is empty; say what the robot is to do")
        for token in self.tokenizer.get_added_vocab():
            if token in instruction:
                raise PromptError(f"the instruction {instruction!r} holds the special token {token!r}; reword it")

    @classmethod
    def load(cls, folder: Path | str, *, image_tokens: int = _PUBLISHED_IMAGE_TOKENS) -> Self:
        """Read the tokenizer files of a checkpoint (or of its ``tokenizer`` folder); no network is used.

        A plain Qwen3 tokenizer gets the tokens of Eagle 2.5 that it lacks.

        Args:
            image_tokens: placeholders per image, where the folder does not say so itself (published ones do not).

        Raises:
            PromptError: there are none, or they cannot be read.
        """
        folder = Path(folder)
        if (folder / "tokenizer").is_dir():
            folder = folder / "tokenizer"
        if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
            raise PromptError(
                f"{folder} has no tokenizer.json or vocab.json; copy the tokenizer of Qwen3-1.7B (or of the model's "
                "Eagle folder) into its folder `tokenizer`, or give the folder that holds it"
            )
        own = folder / _SETTINGS
        settings: dict[str, Any] = _settings(own) if own.is_file() else {"image_tokens": image_tokens}
        prompt = cls(_tokenizer(folder), **settings)
        if prompt.template == "published" and prompt.image_token < 0:
            prompt.tokenizer.add_tokens(_EAGLE_TOKENS, special_tokens=True)
        return prompt

    def save(self, folder: Path | str) -> None:
        self.tokenizer.save_pretrained(folder)
        write_json(Path(folder) / _SETTINGS, {"template": self.template, "image_tokens": self.image_tokens})


def _settings(path: Path) -> dict[str, Any]:
    """What ``Prompt.save`` wrote.

    Raises:
        PromptError: it names no template of ours, or more tokens of a picture than any model has.
    """
    told = read_json(path)
    known = isinstance(told, dict) and told.keys() <= {"template", "image_tokens"}
    tokens = told.get("image_tokens", 1) if known else None
    if not known or told.get("template", "published") not in TEMPLATES or not isinstance(tokens, int):
        raise PromptError(f"{path}: expected template (one of {', '.join(TEMPLATES)}) and image_tokens; fetch it again")
    if not 1 <= tokens <= _MOST_IMAGE_TOKENS:
        raise PromptError(f"{path}: image_tokens is {tokens:,}, must be 1 to {_MOST_IMAGE_TOKENS:,}; fetch it again")
    return told


def open_prompt(config: GrootConfig, folder: Path | str) -> Prompt:
    """The tokenizer in ``folder``, checked against the model.

    Raises:
        PromptError: there is none, or its image placeholder is another token than the model's.
    """
    prompt = Prompt.load(folder, image_tokens=config.backbone.vision.tokens_per_image)
    if prompt.image_token != config.backbone.image_token_index:
        raise PromptError(
            f"{folder}: the tokenizer has the image placeholder at id {prompt.image_token}, the model at "
            f"{config.backbone.image_token_index}; it is the tokenizer of another model: for N1.5 take that of "
            "Qwen3-1.7B or of the model's Eagle folder"
        )
    return prompt


_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json", "config.json"),
    *("special_tokens_map.json", "chat_template.jinja", "chat_template.json"),
)


def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Qwen's where the folder does not say which; no code of the folder is run.

    The config.json of a GR00T checkpoint beside the files would name a model that transformers does not know.
    """
    kind = Qwen2Tokenizer if not (folder / "tokenizer_config.json").is_file() else AutoTokenizer
    try:
        for name in (name for name in _TOKENIZER_FILES if (folder / name).is_file()):
            require_within((folder / name).stat().st_size, TOKENIZER_BYTES, f"{name}: bytes")
            if name.endswith(".json"):
                require_few_values((folder / name).read_bytes())
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library's own, in Rust, has no other class
        raise PromptError(f"{folder}: its tokenizer cannot be read ({error}); fetch the files again") from error


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
