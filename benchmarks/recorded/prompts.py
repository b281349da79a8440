"""Item 9: the prompt, its padding, the pixel values, and what a picture of another size would cost."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.recorded.recording import Absent, Comparisons, Item, Recordings, equal, within
from gr00t_data.batches.published_video import tile_count
from gr00t_model.groot.prompt import Prompt, left_padded, published_text
from gr00t_model.groot.vision import pixels_of

_IMAGE_TOKENS = re.compile(r"\{(\d+)x<IMG_CONTEXT>\}")
_PADDING = re.compile(r"pad id (\d+)")


def prompt(recordings: Recordings) -> Comparisons:
    """Texts with their hashes, batches as they are padded, pixels, tile counts."""
    item = recordings.item("prompt")
    config = item.json("config")
    for number, case in enumerate(config["cases"]):
        yield from _texts(number, case)
    yield from _policy_texts(config["policy_quirk"])
    yield from _padding(config, item.arrays("outputs"))
    yield from _pixels(config["image224"], item.arrays("outputs"))
    for size, tiles in config["tiles_per_image"].items():
        width, height = map(int, size.split()[0].split("x"))
        yield equal(tile_count(width, height), tiles, f"config/tiles_per_image/{size}", "tiles")


def token_ids(recordings: Recordings) -> Comparisons:
    """Token ids of every recorded text. The published tokenizer is not part of the recording.

    It is taken from the folder that ``GR00T_TOKENIZER`` names (vocab.json and merges.txt, or tokenizer.json, of a
    checkpoint), or from ``prompt/tokenizer`` of the recording.
    """
    item = recordings.item("prompt")
    folder = Path(os.environ.get("GR00T_TOKENIZER", item.folder / "tokenizer"))
    if not folder.is_dir():
        raise Absent(f"no tokenizer at {folder}; the recording holds ids but no vocabulary (set GR00T_TOKENIZER)")
    arrays, config = item.arrays("outputs"), item.json("config")
    tokens = int(_IMAGE_TOKENS.findall(config["cases"][0]["expanded_text_img_context_collapsed"])[0])
    encode = Prompt.load(folder).tokenizer.encode
    for case in config["cases"]:
        name = f"ids.images{case['n_images']}.instr{case['instr']}"
        text = published_text(case["instruction"], case["n_images"], tokens)
        ids = encode(text, add_special_tokens=False)
        yield equal(ids, arrays[name].tolist(), f"outputs/{name}", "token ids")


def _texts(number: int, case: dict[str, Any]) -> Comparisons:
    collapsed = case["expanded_text_img_context_collapsed"]
    tokens = int(_IMAGE_TOKENS.findall(collapsed)[0])
    text = published_text(case["instruction"], case["n_images"], tokens)
    placeholders = "<IMG_CONTEXT>" * tokens
    found = text.replace(placeholders, f"{{{tokens}x<IMG_CONTEXT>}}")
    yield equal(found, collapsed, f"config/cases/{number}/expanded_text", "texts")
    digest = hashlib.sha256(text.encode()).hexdigest()
    yield equal(digest, case["expanded_text_sha256_utf8"], f"config/cases/{number}/sha256", "hashes of texts")
    # The template names an image before it is expanded.
    template = re.sub(rf"<image (\d+)><img>{placeholders}</img>", r"<image-\1>", text)
    yield equal(template, case["template_text"], f"config/cases/{number}/template_text", "texts")


def _policy_texts(quirks: list[dict[str, Any]]) -> Comparisons:
    """The published policy prints a list into its prompt; training, and our policy, use the text itself."""
    plain = next(quirk["template_text"] for quirk in quirks if quirk["python_type"] == "str")
    instruction = re.findall(r"<image-1>(.*)<\|im_end\|>\n<\|im_start\|>assistant", plain, re.DOTALL)[0]
    for quirk in quirks:
        given = str([instruction]) if quirk["python_type"] == "ndarray" else instruction
        found = published_text(given, 1, 0).replace("<image 1><img></img>", "<image-1>")
        yield equal(found, quirk["template_text"], f"config/policy_quirk/{quirk['python_type']}", "texts")


def _padding(config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Comparisons:
    padding = int(_PADDING.findall(config["tokenizer"])[0])
    for name in sorted(name for name in arrays if name.startswith("batch.") and name.endswith(".input_ids")):
        images = name.split(".")[1]
        keys = sorted(
            (key for key in arrays if key.startswith(f"ids.{images}.")), key=lambda k: int(k.split("instr")[1])
        )
        ids, mask = left_padded([arrays[key].tolist() for key in keys], padding)
        yield equal(ids.numpy(), arrays[name], f"outputs/{name}", "padded batches")
        vector = f"batch.{images}.attention_mask"
        yield equal(mask.numpy(), arrays[vector], f"outputs/{vector}", "padded batches")


def _pixels(recorded: dict[str, Any], arrays: dict[str, np.ndarray]) -> Comparisons:
    image = torch.from_numpy(arrays["image224_uint8"])
    pixels = pixels_of(image[None, None], image.shape[0])[0]
    name = next(name for name in arrays if name.startswith("image224_pixel_values"))
    first, last = map(int, re.findall(r"rows(\d+)_(\d+)", name)[0])
    yield equal(pixels[:, first : last + 1].numpy(), arrays[name], f"outputs/{name}", "pixels")
    digest = hashlib.sha256(pixels.contiguous().numpy().tobytes()).hexdigest()
    yield equal(digest, recorded["sha256_float32"], "config/image224/sha256", "pixels")
    yield within(float(pixels.double().mean()), recorded["mean"], "config/image224/mean", "pixels", 1e-6)


def inputs(item: Item) -> list[str]:
    """Recorded token ids are the input of the padding; their own comparison is ``token_ids``."""
    return [name for name in item.recorded if name.startswith(("outputs/ids.", "outputs/policy_path."))]
