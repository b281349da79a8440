"""Prompts: the published text byte for byte, and the small preset's own tokenizer."""

import hashlib
from pathlib import Path

import pytest
import torch

from gr00t_model.groot.prompt import IMAGE, Prompt, PromptError, published_text, train_tokenizer

TEXTS = ["reach the red cube", "push the blue sphere to the left", "put the red sphere on the plate"]


@pytest.fixture(scope="module")
def prompt(tmp_path_factory) -> Prompt:
    return train_tokenizer(TEXTS, tmp_path_factory.mktemp("tokenizer"), image_tokens=3)


def test_published_text_of_one_camera():
    expected = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "<image 1><img><IMG_CONTEXT><IMG_CONTEXT></img>wave<|im_end|>\n<|im_start|>assistant\n"
    )
    assert published_text("wave", 1, 2) == expected


def test_published_text_as_recorded(parity):
    for case in parity("prompt").json("config")["cases"]:
        text = published_text(case["instruction"], case["n_images"], 256)
        assert hashlib.sha256(text.encode()).hexdigest() == case["expanded_text_sha256_utf8"]


def test_rows_are_padded_on_the_left_and_end_alike(prompt):
    ids, mask = prompt(TEXTS, 2)
    assert ids.dtype == mask.dtype == torch.int64
    image = prompt.tokenizer.convert_tokens_to_ids(IMAGE)
    assert (ids == image).sum(dim=1).tolist() == [6, 6, 6]
    assert len(set(ids[:, -1].tolist())) == 1
    assert torch.equal(mask, mask.sort(dim=1).values)
    assert (ids[mask == 0] == prompt.tokenizer.convert_tokens_to_ids("<pad>")).all()
    shorter = prompt(TEXTS[:1], 2)[0]
    assert torch.equal(shorter[0], ids[0][mask[0] == 1])


def test_words_it_never_saw_survive(prompt):
    ids, _ = prompt(["stapele café 把"], 1)
    assert "stapele café 把" in prompt.tokenizer.decode(ids[0].tolist())


def test_a_tokenizer_is_a_function_of_its_texts(prompt, tmp_path):
    again = train_tokenizer(reversed(TEXTS * 2), tmp_path, image_tokens=3)
    read = Prompt.load(tmp_path)
    for other in (again, read):
        assert torch.equal(other(TEXTS, 1)[0], prompt(TEXTS, 1)[0])
    assert (read.template, read.image_tokens) == ("nano", 3)


def test_texts_that_cannot_be_prompts(prompt, tmp_path):
    with pytest.raises(PromptError, match="empty"):
        prompt(["reach the red cube", "  "], 1)
    with pytest.raises(PromptError, match="special token '<image>'"):
        prompt(["look at the <image>"], 1)
    with pytest.raises(PromptError, match=r"tokenizer\.json"):
        Prompt.load(tmp_path / "nowhere")


def test_a_tokenizer_that_is_huge_or_nested_is_refused(tmp_path: Path) -> None:
    for name, content in (("deep", b'{"a":' * 100_000), ("none", b"no json"), ("other", b'{"model": {"type": "x"}}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_bytes(content)
        (tmp_path / name / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
        with pytest.raises(PromptError, match="its tokenizer cannot be read"):
            Prompt.load(tmp_path / name)
    with (tmp_path / "none/tokenizer.json").open("wb") as stream:
        stream.truncate(5 << 30)
    with pytest.raises(PromptError, match=r"tokenizer\.json: bytes: 5,368,709,120, at most 67,108,864"):
        Prompt.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ('{"template": "nano", "image_tokens": 1000000000}', "image_tokens is 1,000,000,000, must be 1 to 65,536"),
        ('{"template": "{{ x }}", "image_tokens": 3}', "expected template"),
        ('{"template": "nano", "image_tokens": "3"}', "expected template"),
        ('{"trust_remote_code": true}', "expected template"),
        ("[1]", "expected template"),
    ],
)
def test_settings_of_a_folder_that_no_model_has_are_refused(tmp_path, told, message):
    train_tokenizer(TEXTS, tmp_path)
    (tmp_path / "prompt.json").write_text(told)
    with pytest.raises(PromptError, match=message):
        Prompt.load(tmp_path)


def test_a_tokenizer_of_millions_of_values_is_refused_before_it_is_read(tmp_path):
    train_tokenizer(TEXTS, tmp_path)
    (tmp_path / "tokenizer.json").write_text("[" + "[]," * 5_000_000 + "1]")
    with pytest.raises(PromptError, match="values of JSON"):
        Prompt.load(tmp_path)
