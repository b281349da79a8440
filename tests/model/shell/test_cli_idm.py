"""From a folder of generated clips to accepted trajectories, by the shell verbs alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.store.store import EpisodeStore
from tests.data.builders import episode, sealed
from tests.data.sources.neural.drops import movie, pictures
from tests.shell import invoke


def run(*arguments: object, status: int = 0) -> str:
    result = invoke(arguments)
    assert result.exit_code == status, result.output
    return result.stdout


@pytest.mark.slow
def test_every_verb(tmp_path: Path) -> None:
    lake, drop = tmp_path / "lake", tmp_path / "drop"
    for seed in range(3):
        movie(drop / f"{seed}_push_the_cube.mp4", pictures(12, seed), fps=8, seed=seed)
    movie(drop / "3_too_short.mp4", pictures(1))
    told = json.loads(run("clips", drop, "--name", "dreams", "--made", "model=toy", "--lake", lake, "--json", status=1))
    assert told["clips"] == 3 and told["rows"][0]["episode"] == "3_too_short.mp4"
    sealed(lake / "stores/recorded", [episode(24, seed) for seed in range(4)])
    train = ("--stores", "recorded", "--into", tmp_path / "idm", "--steps", 2, "--batch-size", 4, "--lake", lake)
    report = json.loads(run("idm", "train", *train, "--json"))
    assert report["timing"] == {"fps": 20.0, "frame_gap": 16, "action_hz": 20.0, "horizon": 16}
    model = tmp_path / "idm/model"
    assert json.loads((model / "report.json").read_text())["moving"].keys() == report["moving"].keys()
    assert "linear_on_pixels" in run("idm", "eval", model, "--stores", "recorded", "--lake", lake)
    for name in ("recorded", "dreams"):
        run("label", lake / f"stores/{name}", "--idm", model, "--any-model", "--lake", lake)
    gate = ("gate", lake / "stores/dreams-labelled")
    # Grey squares are no robot: a model of two steps makes nothing of them, so the thresholds are loose.
    limits = tmp_path / "loose.json"
    limits.write_text(json.dumps({"limits": {"frozen": 1.0}, "measured": {}, "false_rejects": 0.0}))
    judged = json.loads(run(*gate, "--thresholds", limits, "--lake", lake, "--json"))
    assert judged["accepted"] == 3 and judged["rejected"] == 0 and Path(judged["sheet"]).is_file()
    accepted = EpisodeStore.open(lake / "stores/dreams-labelled-accepted")
    first = accepted.rows[0].source.facts()
    assert accepted.kind == "neural" and first is not None and first["generated"] == {"model": "toy"}
    assert not np.isnan(report["labels"]["spread_tells_error"])


@pytest.mark.parametrize("options", [(), ("--calibrate", "a", "--thresholds", "b")])
def test_the_gate_wants_one_source_of_thresholds(tmp_path: Path, options: tuple[str, ...]) -> None:
    store = sealed(tmp_path / "store", [episode()])
    assert "one of them" in invoke(["gate", str(store.root), *options]).output
