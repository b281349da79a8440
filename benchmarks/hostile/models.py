"""Attacks by folders of models: checkpoints of ours and published ones, bases, inverse dynamics, world models.

Whoever made the folder made its records too: after the attack every digest is right. Links are followed, since the
caches of published models are made of them; nothing of a file that is no model is shown.
"""

import importlib
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.hostile.case import Place, attacks
from gr00t_data.disk import replacing_folder
from gr00t_data.foreign_text import printable
from gr00t_data.integrity import RECORD, read_sealed, write_record, write_sealed
from gr00t_data.locks import locked

MADE = "GR00T_HOSTILE_MADE"
"""Names the folder in which models are made once for all cases."""
_LOADED = ("gr00t_model.policy", "gr00t_model.idm.artifact", "gr00t_model.dream.dreamers", "peft", "transformers")
_OURS = ("versions.json", "train_config.json", "manifest.json", "episodes.json", "metrics.json", RECORD)
Attack = Callable[[Place, Path], object]
"""Changes the folder of the model at the path."""


def _made(place: Place, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that ``make`` fills, once for all cases."""
    root = Path(os.environ.get(MADE) or place.root / "temporary") / name
    root.parent.mkdir(parents=True, exist_ok=True)
    with locked(root.with_suffix(".lock")):
        if not root.is_dir():
            with replacing_folder(root) as folder:
                make(folder)
    return root


def _checkpoint(folder: Path) -> None:
    """A very small policy that has learnt for one step."""
    from gr00t_data.lake import Lake
    from tests.model.service_lake import add_store, train_tiny

    lake = Lake(folder / "lake")
    add_store(lake, "monday", range(3))
    shutil.copytree(train_tiny(lake, steps=1, checkpoint_every_steps=1), folder / "model")
    shutil.rmtree(lake.root)


def _idm(folder: Path) -> None:
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.lake import Lake
    from gr00t_model.idm.config import IdmTraining
    from gr00t_model.stages.idm import train_idm
    from tests.model.service_lake import add_store

    lake = Lake(folder / "lake")
    add_store(lake, "monday", range(4))
    model, _ = train_idm(lake, load_embodiment("gr1"), training=IdmTraining(steps=1), say=lambda line: None)
    shutil.copytree(model, folder / "model")
    shutil.rmtree(lake.root)


def _world_model(folder: Path) -> None:
    from tests.model import tiny_worlds

    tiny_worlds.wan(folder / "model")


def _with(make: Callable[[Path], object], attack: Attack, *, published: bool = False) -> Callable[[Place], None]:
    def build(place: Place) -> None:
        shutil.copytree(_made(place, make.__name__, make) / "model", place.drop)
        for name in _OURS if published else ():
            (place.drop / name).unlink(missing_ok=True)
        attack(place, place.drop)
        if (place.drop / RECORD).is_file():
            free = tuple(read_sealed(place.drop / RECORD)["free"])
            (place.drop / RECORD).unlink()
            write_record(place.drop, free=free)

    return build


def _write(name: str, content: Callable[[], bytes]) -> Attack:
    def attack(place: Place, folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content())

    return attack


def _set(name: str, *path: str, value: Any) -> Attack:
    """Another value in a JSON file; sealed files get a new seal."""

    def attack(place: Place, folder: Path) -> None:
        document = read_sealed(folder / name)
        at = document
        for step in path[:-1]:
            at = at.setdefault(step, {}) if isinstance(at, dict) else at[int(step)]
        at[path[-1]] = value
        sealed = b'"seal"' in (folder / name).read_bytes()[:40]
        write_sealed(folder / name, document) if sealed else (folder / name).write_text(json.dumps(document))

    return attack


def _header(content: Callable[[], bytes], length: int | None = None) -> Attack:
    """Weights with another header."""
    return _write("model.safetensors", lambda: _framed(content(), length))


def _framed(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(64)


def _tensor(**changes: Any) -> Attack:
    tensor = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]} | changes
    return _header(lambda: json.dumps({"a": tensor}).encode())


def _shards(*names: str) -> Attack:
    index = {"weight_map": {f"a{number}": name for number, name in enumerate(names)}}
    return _write("model.safetensors.index.json", lambda: json.dumps(index).encode())


def _deep() -> bytes:
    return b'{"a":' * 100_000


def _many() -> bytes:
    return b'{"a": [' + b"[]," * 20_000_000 + b"1]}"


def _pickle() -> bytes:
    return b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR."


_TEXT, _HEAD = ("eagle_cfg", "text_config"), ("action_head_cfg",)
_CONFIG: dict[str, Attack] = {
    "nested 100,000 deep": _write("config.json", _deep),
    "20 million values": _write("config.json", _many),
    "a list": _write("config.json", lambda: b"[1, 2]"),
    "a language model a million wide": _set("config.json", *_TEXT, "hidden_size", value=1 << 20),
    "a billion words": _set("config.json", *_TEXT, "vocab_size", value=10**9),
    "layers a hundred million wide": _set("config.json", *_TEXT, "intermediate_size", value=10**8),
    "ten million layers": _set("config.json", *_HEAD, "diffusion_model_cfg", "num_layers", value=10**7),
    "a width of 400 digits": _set("config.json", *_HEAD, "hidden_size", value=10**400),
    "a width below zero": _set("config.json", *_HEAD, "hidden_size", value=-32),
    "a width that is a text": _set("config.json", *_HEAD, "hidden_size", value="large"),
    "no heads": _set("config.json", *_TEXT, "num_attention_heads", value=0),
    "a billion actions": _set("config.json", *_HEAD, "action_horizon", value=10**9),
    "pictures of a million pixels a side": _set("config.json", "eagle_cfg", "vision_config", "image_size", value=10**6),
    "a billion robots": _set("config.json", *_HEAD, "max_num_embodiments", value=10**9),
}
_WEIGHTS: dict[str, Attack] = {
    "a header of 8 exabytes": _header(lambda: b"{}", 1 << 63),
    "a header of 80 MB": _header(lambda: b'{"a":' + b"[" * 80_000_000),
    "a header nested deep": _header(lambda: b'{"__metadata__":' * 100_000),
    "a tensor of a trillion values": _tensor(shape=[1 << 20, 1 << 20], data_offsets=[0, 1 << 42]),
    "a shape beyond every number": _tensor(shape=[1 << 62, 1 << 62]),
    "values beyond the end": _tensor(data_offsets=[0, 1 << 40]),
    "a type that is none": _tensor(dtype="OBJECT"),
    "a pickle under its name": _write("model.safetensors", _pickle),
    "a pickle beside it": _write("pytorch_model.bin", _pickle),
    "zeros": _write("model.safetensors", lambda: bytes(1 << 20)),
    "nothing": _write("model.safetensors", lambda: b""),
    "shards outside": _shards("../outside/secret.txt"),
    "a shard by its whole name": _shards("/etc/passwd"),
    "a million shards": _shards(*(f"{number}.safetensors" for number in range(1_000_000))),
    "shards that are numbers": _write("model.safetensors.index.json", lambda: b'{"weight_map": {"a": 7}}'),
    "an index nested deep": _write("model.safetensors.index.json", _deep),
}
_TOKENIZER: dict[str, Attack] = {
    "nested 100,000 deep": _write("tokenizer/tokenizer.json", _deep),
    "300 MB": _write("tokenizer/tokenizer.json", lambda: b'"' + b"x" * (300 << 20) + b'"'),
    "20 million values": _write("tokenizer/tokenizer.json", _many),
    "settings nested deep": _write("tokenizer/tokenizer_config.json", _deep),
    "code of its own": _set("tokenizer/tokenizer_config.json", "auto_map", value={"AutoTokenizer": ["x.X", "x.X"]}),
    "a billion places for a picture": _set("tokenizer/prompt.json", "image_tokens", value=10**9),
    "a template that is none": _set("tokenizer/prompt.json", "template", value="{{ ''.__class__ }}"),
    "settings that it does not have": _set("tokenizer/prompt.json", "trust_remote_code", value=True),
}
_METADATA = "experiment_cfg/metadata.json"
_STATISTICS: dict[str, Attack] = {
    "nested 100,000 deep": _write(_METADATA, _deep),
    "20 million values": _write(_METADATA, _many),
    "a list": _write(_METADATA, lambda: b"[]"),
    "robots that are numbers": _write(_METADATA, lambda: b'{"gr1": 7}'),
}
_OF_RUN: dict[str, Attack] = {
    "settings nested deep": _write("train_config.json", _deep),
    "a robot of a billion laughs": _write("embodiment.yaml", lambda: _laughs()),
    "a robot that runs": _write("embodiment.yaml", lambda: b"!!python/object/apply:os.system ['touch pwned']\n"),
    "episodes of 20 million values": _write("episodes.json", _many),
    "a manifest nested deep": _write("manifest.json", _deep),
    "statistics of 20 million values": _write("statistics.json", _many),
    "versions that are a list": _write("versions.json", lambda: b"[]"),
}


def _laughs() -> bytes:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    return b"\n".join(lines + [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)])


def _refused(work: Callable[[list[str]], object]) -> Callable[[list[str]], int]:
    """Does the work; what refuses it is a reason, anything else a crash."""

    def runs(words: list[str]) -> int:
        try:
            work(words)
        except (ValueError, OSError) as error:
            print(printable(f"refused: {type(error).__name__}: {error}"))
            return 1
        print("taken")
        return 0

    return runs


def _acts(words: list[str]) -> object:
    from gr00t_model.policy import Policy

    return Policy.from_checkpoint(Path(words[0]), embodiment="gr1")


def _labels(words: list[str]) -> object:
    from gr00t_model.idm.artifact import load_artifact

    return load_artifact(Path(words[0]))


def _dreams(words: list[str]) -> object:
    import numpy as np

    from gr00t_model.dream.dreamers import open_world_model
    from gr00t_model.dream.world_model import ClipShape, Sampler

    for library in ("diffusers", "transformers"):  # their bars move the cursor
        importlib.import_module(f"{library}.utils.logging").disable_progress_bar()
    sampler = Sampler(steps=1, guidance=1.0, guardrail="none")
    model, side = open_world_model(Path(words[0]), None, sampler), 32
    shape = ClipShape(frames=5, fps=16, height=side, width=side)
    return model.generate(np.zeros((1, side, side, 3), np.uint8), ["push"], [1], shape)


def _drop(place: Place) -> list[str]:
    return [str(place.drop)]


def _add(
    kind: str,
    make: Callable[[Path], object],
    work: Callable[[list[str]], object],
    which: dict[str, Attack],
    *,
    published: bool = False,
    harmless: tuple[str, ...] = (),
) -> None:
    """The attacks of one kind of file on one kind of model.

    Args:
        harmless: are passed over, and the model is whole.
    """
    variants = [
        (name, _with(make, attack, published=published), "" if name in harmless else "refused: ")
        for name, attack in which.items()
    ]
    attacks(kind, _drop, *variants, runs=_refused(work), imports=_LOADED)


_add("configurations of policies", _checkpoint, _acts, _CONFIG)
_add("weights of policies", _checkpoint, _acts, _WEIGHTS, published=True, harmless=("a pickle beside it",))
_add("tokenizers of policies", _checkpoint, _acts, _TOKENIZER, harmless=("code of its own",))
_add("statistics of published policies", _checkpoint, _acts, _STATISTICS, published=True)
_add("records of policies", _checkpoint, _acts, _OF_RUN)
_IDM = {
    "configuration nested deep": _write("config.json", _deep),
    "a model a million wide": _set("config.json", "hidden_size", value=1 << 20),
    "what it is, nested deep": _write("idm.json", _deep),
    "a robot that runs": _OF_RUN["a robot that runs"],
    "statistics of 20 million values": _OF_RUN["statistics of 20 million values"],
}
_IDM |= {f"weights: {name}": _WEIGHTS[name] for name in ("a header of 8 exabytes", "a pickle under its name", "zeros")}
_add("inverse dynamics models", _idm, _labels, _IDM)
_WORLD = {
    "index nested deep": _write("model_index.json", _deep),
    "an index with code": _set("model_index.json", "transformer", value=["os", "system"]),
    "a part of another library": _set("model_index.json", "transformer", value=["diffusers.models", "../x"]),
    "a transformer a million wide": _set("transformer/config.json", "ffn_dim", value=10**9),
    "ten million layers": _set("transformer/config.json", "num_layers", value=10**7),
    "a text encoder a million wide": _set("text_encoder/config.json", "d_ff", value=10**9),
    "configuration nested deep": _write("vae/config.json", _deep),
    "a pickle under its name": _write("transformer/diffusion_pytorch_model.safetensors", _pickle),
    "tokenizer nested deep": _write("tokenizer/tokenizer.json", _deep),
    "a nano model nested deep": _write("nano.json", _deep),
}
_add("world models", _world_model, _dreams, _WORLD)
