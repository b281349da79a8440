"""The nano world model: its picture code, what it takes and refuses, that it learns, that resuming is exact."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gr00t_data.integrity import RECORD, IntegrityError
from gr00t_data.store.episode import Episode
from gr00t_model.dream.config import nano_training
from gr00t_model.dream.dreamers import open_world_model
from gr00t_model.dream.measure import measure, psnr_db
from gr00t_model.dream.nano.codec import Blocks, Codec
from gr00t_model.dream.nano.config import NanoConfig
from gr00t_model.dream.nano.network import NanoNetwork, text_rows
from gr00t_model.dream.pictures import view_of
from gr00t_model.dream.run import DreamRun, prepare_run
from gr00t_model.dream.train import train
from gr00t_model.dream.windows import Films, plan_windows
from gr00t_model.dream.world_model import ClipShape, DreamError, Sampler
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.loop.seeds import pass_rows
from gr00t_model.loop.stop import StopRequest
from tests.data.builders import GR1, episode, sealed

SHAPE = ClipShape(frames=9, fps=20, height=32, width=32)
SMALL = {"codes": 12, "picture_codes": 12, "width": 24, "heads": 2, "layers": 2, "text_width": 16}


def film(seed: int, frames: int = 9) -> np.ndarray:
    """uint8 [frames, 32, 32, 3]: a bright square on grey that moves right by two pixels a frame."""
    shown = np.full((frames, 32, 32, 3), 60, dtype=np.uint8)
    for number in range(frames):
        shown[number, 4 + 2 * seed : 12 + 2 * seed, 2 + 2 * number : 8 + 2 * number] = (220, 180, 40)
    return shown


def moving(rows: int, seed: int) -> Episode:
    return episode(rows, seed, instruction=f"push the cube of row {seed}", video={"ego_view": film(seed, rows)})


def films(count: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([film(seed % 5) for seed in range(count)]))


def test_codes_of_all_axes_give_the_clip_back() -> None:
    codec, shown = Codec(Blocks(side_px=4, frames=2, codes=96, picture_codes=48)), films(12)
    codec.fit(shown)
    codes = codec.encode(shown)
    assert codes.shape == (12, 96, 4, 8, 8) and codec.picture(shown[:, 0]).shape == (12, 48, 8, 8)
    assert torch.equal(codec.decode(codes, shown[:, 0]), shown)


def test_codes_of_zeros_mean_that_nothing_happens() -> None:
    codec, shown = Codec(Blocks(side_px=8, frames=4, codes=6, picture_codes=6)), films(4)
    codec.fit(shown)
    still = codec.decode(torch.zeros(4, 6, 2, 4, 4), shown[:, 0])
    assert torch.equal(still, shown[:, :1].expand(-1, 9, -1, -1, -1))
    # Six axes of 768 are not enough for the clip, but better than none.
    found = codec.decode(codec.encode(shown), shown[:, 0])
    assert psnr_db(found[0].numpy(), shown[0].numpy()).mean() > psnr_db(still[0].numpy(), shown[0].numpy()).mean() + 3


def test_the_same_clips_give_the_same_axes() -> None:
    codecs = [Codec(Blocks(side_px=8, frames=4, codes=5, picture_codes=5)) for _ in range(2)]
    for codec in codecs:
        codec.fit(films(7))
    assert all(torch.equal(a, codecs[1].state_dict()[name]) for name, a in codecs[0].state_dict().items())


def test_the_network_hears_picture_and_words(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = NanoNetwork(NanoConfig(shape=SHAPE, **SMALL)).eval()
    torch.nn.init.normal_(network.transformer.proj_out.weight)  # it begins with zeros, and hears nothing then
    prompt = train_tokenizer(["push the red cube", "reach the green ball"], tmp_path)
    ids, mask = text_rows(prompt, ["push the red cube", "reach the ball"], 48)
    noisy, picture, time = torch.randn(2, 12, 2, 4, 4), torch.randn(2, 12, 4, 4), torch.tensor([0.3, 0.9])
    found = network(noisy, time, picture, ids, mask)
    assert found.shape == noisy.shape
    for other in (
        network(noisy, time, picture + 1, ids, mask),
        network(noisy, time, picture, ids.flip(0), mask.flip(0)),
        network(noisy, time.flip(0), picture, ids, mask),
    ):
        assert not torch.allclose(found, other, atol=1e-4)
    unheard = torch.where(mask == 0, 7, ids)
    assert torch.equal(found, network(noisy, time, picture, unheard, mask))
    with pytest.raises(DreamError, match="tokens, the model takes 4; cut it"):
        text_rows(prompt, ["push the red cube to the left"], 4)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("nano") / "store", [moving(11 + seed, seed % 5) for seed in range(6)]).root


def run_of(store: Path, runs: Path, **changes: Any) -> DreamRun:
    fields: dict[str, Any] = {"stores": [str(store)], "shape": SHAPE.model_dump(), "nano": SMALL, "steps": 4}
    fields |= {"batch_size": 8, "stride_frames": 1, "log_every_steps": 2, "held_out_share": 0.2}
    return prepare_run(nano_training(**{**fields, **changes}), runs)


def finish(run: DreamRun) -> Any:
    with StopRequest() as stop:
        return train(run, stop)


def test_it_learns_and_its_clips_move_as_the_recordings_do(store: Path, tmp_path: Path) -> None:
    run = run_of(store, tmp_path, steps=120, optimizer={"lr": 5e-3, "ema_decay": 0.9}, log_every_steps=20)
    finish(run)
    records = run.records()
    assert records[-1]["loss"] < 0.5 * records[0]["loss"]
    model = open_world_model(run.product, None, Sampler())
    assert model.usual == SHAPE and model.facts["sampler"]["steps"] == 20
    windows = plan_windows([*_stores(store)], SHAPE, 0, 0.0).learn
    report, shown = measure(model, windows, Films(view_of(GR1), SHAPE), SHAPE, 0, lambda done, total: None)
    assert report["clips"] == 6 == len(shown) and len(report["by_frame"]) == 8
    assert report["psnr_db"] > report["copy_psnr_db"] and 0.5 < report["motion"] < 1.5


def _stores(path: Path):
    from gr00t_data.store.store import EpisodeStore

    yield EpisodeStore.open(path)


def test_resuming_is_exact_and_clips_depend_on_their_row_only(store: Path, tmp_path: Path) -> None:
    run = run_of(store, tmp_path, checkpoint_every_steps=2)
    finish(run)
    whole = (run.product / "model.safetensors").read_bytes()
    for path in (run.product, run.states / "00000004"):
        shutil.rmtree(path)
    run.clear_outcome()
    assert finish(run).steps_done == 2 and (run.product / "model.safetensors").read_bytes() == whole
    model = open_world_model(run.product, None, Sampler(steps=3))
    pictures = np.stack([film(0)[0], film(3)[0]])
    both = model.generate(pictures, ["push the cube", "reach"], [1, 2], SHAPE)
    alone = open_world_model(run.product, None, Sampler(steps=3)).generate(pictures[1:], ["reach"], [2], SHAPE)
    assert both.shape == (2, 9, 32, 32, 3) and np.array_equal(both[1:], alone)
    assert np.array_equal(both[:, 0], pictures)
    assert not np.array_equal(alone, model.generate(pictures[1:], ["reach"], [3], SHAPE))
    longer = model.generate(pictures[:1], ["reach"], [1], SHAPE.model_copy(update={"frames": 17}))
    assert longer.shape == (1, 17, 32, 32, 3)
    for changes, message in (
        ({"frames": 10}, "10 frames are not 4 k \\+ 1; take 9 or 13"),
        ({"height": 40}, "no multiple of 16"),
        ({"width": 48}, "was trained with width 32, asked for 48"),
        ({"fps": 10}, "was trained with fps 20, asked for 10"),
    ):
        with pytest.raises(DreamError, match=message):
            model.check(SHAPE.model_copy(update=changes))
    with pytest.raises(DreamError, match="has no guidance"):
        open_world_model(run.product, None, Sampler(guidance=3.0)).check(SHAPE)
    with pytest.raises(DreamError, match="takes no adapter"):
        open_world_model(run.product, tmp_path, Sampler())
    (run.product / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(IntegrityError, match=r"model\.safetensors is not the recorded file"):
        open_world_model(run.product, None, Sampler())
    (run.product / RECORD).unlink()  # as one of before
    with pytest.raises(DreamError, match="cannot be read as the model"):
        open_world_model(run.product, None, Sampler()).generate(pictures[:1], ["reach"], [1], SHAPE)


def test_every_epoch_is_a_new_order_of_all_clips() -> None:
    epochs = [np.concatenate([pass_rows(6, 2, step, 3) for step in range(3 * k, 3 * k + 3)]) for k in range(2)]
    assert [sorted(epoch.tolist()) for epoch in epochs] == [[0, 1, 2, 3, 4, 5]] * 2
    assert not np.array_equal(epochs[0], epochs[1])
    assert pass_rows(3, 8, 0, 0).shape == (8,)  # more rows than clips


def test_equal_inputs_are_one_run_and_paths_do_not_count(store: Path, tmp_path: Path) -> None:
    first = run_of(store, tmp_path)
    copied = shutil.copytree(store, tmp_path / "elsewhere")
    assert run_of(copied, tmp_path).root == first.root
    assert run_of(store, tmp_path, log_every_steps=1).root == first.root
    assert run_of(store, tmp_path, steps=5).root != first.root


def test_windows_keep_the_robots_time(store: Path) -> None:
    (opened,) = _stores(store)
    half = SHAPE.model_copy(update={"fps": 10, "frames": 5})
    windows = plan_windows([opened], half, 0, 0.0)
    assert {window.rows for window in windows.learn} == {(0, 2, 4, 6, 8)}
    strided = plan_windows([opened], SHAPE, 3, 0.34)
    assert len({w.episode for w in strided.learn} | {w.episode for w in strided.held_out}) == 6
    assert {w.episode for w in strided.held_out}.isdisjoint(w.episode for w in strided.learn)
    assert plan_windows([opened], SHAPE.model_copy(update={"frames": 13}), 0, 0.0).too_short == 2
