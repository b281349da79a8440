"""`gr00t dream` as a user types it; and the chain from dreams to accepted trajectories."""

import json
from pathlib import Path

import pytest

from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.store.store import EpisodeStore
from tests import NOWHERE
from tests.data.builders import episode, sealed
from tests.model import tiny_worlds
from tests.shell import invoke


def run(*arguments: object, status: int = 0) -> str:
    result = invoke(arguments)
    assert result.exit_code == status, result.output
    return result.stdout


@pytest.mark.parametrize("verb", ["train", "generate", "eval"])
def test_help_teaches_by_example(verb: str) -> None:
    assert f"Example: `gr00t dream {verb}" in " ".join(run("dream", verb, "--help").split()).replace("│ ", "")


def test_dry_runs_write_nothing(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    told = json.loads(run("dream", "generate", "--count", 4, "--task", "push", "--lake", lake, "--dry-run", "--json"))
    assert told["clips"] == 4 and told["model"] == "oracle" and not told["finished"] and not lake.exists()
    sealed(lake / "stores/recorded", [episode(30, seed) for seed in range(4)])
    before = sorted(lake.rglob("*"))
    facts = json.loads(run("dream", "train", "--set", "steps=7", "--lake", lake, "--dry-run", "--json"))
    assert facts["config"]["steps"] == 7 and facts["clips held out"] == 2 and facts["clips to learn from"] == 6
    base = tiny_worlds.wan(tmp_path / "wan")
    sizes = ("--frames", 9, "--fps", 20, "--height", 32, "--width", 32)
    told = json.loads(run("dream", "train", "--base", base, *sizes, "--lake", lake, "--dry-run", "--json"))
    config = told["config"]
    assert (config["rank"], config["alpha"], config["optimizer"]["lr"]) == (4, 4.0, 1e-4)
    assert config["shape"] == {"frames": 9, "fps": 20.0, "height": 32, "width": 32}
    assert sorted(lake.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "--generator", str(NOWHERE)), "models are read from this machine only"),
        (("generate", "--set", "sampler.stepz=3"), "did you mean sampler.steps"),
        (("generate", "--set", "sampler.offload=disk"), "sampler.offload"),
        (("generate", "--frames", "1"), "frames"),
        (("train", "--base", str(NOWHERE)), "models are read from this machine only"),
        (("train",), "no sealed store of 'gr1' with video"),
        (("eval", "nano"), "run `gr00t dream train` first"),
    ],
)
def test_what_a_user_can_mend_is_said_in_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = invoke(["dream", *arguments, "--lake", str(tmp_path)])
    told = result.stderr.splitlines()[-1]  # below the bar of what had begun
    assert result.exit_code == 2 and told.startswith("error: ") and message in told


@pytest.mark.slow
def test_dreams_become_accepted_trajectories(tmp_path: Path) -> None:
    """A world model is trained by the launcher, dreams and is measured; its clips and the oracle's go the whole way."""
    lake = tmp_path / "lake"
    demos = [record_episode("reach", seed, 64) for seed in range(6)]
    sealed(lake / "stores/simulator", demos)
    small = ("nano.width=24", "nano.heads=2", "nano.layers=1", "nano.codes=12", "nano.picture_codes=12")
    settings = [part for text in ("steps=20", "batch_size=4", *small) for part in ("--set", text)]
    trained = json.loads(
        run("dream", "train", *settings, "--frames", 17, "--height", 32, "--width", 32, "--lake", lake, "--json")
    )
    assert trained["state"] == "complete" and (Path(trained["model"]) / "nano.json").is_file()
    report = json.loads(run("dream", "eval", "nano", "--clips", 1, "--lake", lake, "--json"))
    assert report["held_out"] and report["clips"] == 1 and Path(report["sheet"]).is_file()
    run(
        "idm",
        "train",
        "--stores",
        "simulator",
        "--into",
        tmp_path / "idm",
        "--steps",
        2,
        "--batch-size",
        4,
        "--lake",
        lake,
    )
    limits = tmp_path / "loose.json"
    limits.write_text(json.dumps({"limits": {"frozen": 1.0}, "measured": {}, "false_rejects": 0.0}))
    ways = {"oracle": ("--task", "reach", "--height", 64, "--width", 64), "nano": ("--task", "push")}
    for generator, options in ways.items():
        made = ("dream", "generate", "--generator", generator, "--count", 2, *options, "--lake", lake, "--json")
        drop = json.loads(run(*made))
        assert json.loads(run(*made)) == drop and drop["clips"] == 2
        told = json.loads(run("clips", drop["drop"], "--name", generator, "--lake", lake, "--json"))
        assert told["clips"] == drop["clips"] and told["rows"] == []
        run("label", lake / "stores" / generator, "--idm", tmp_path / "idm/model", "--any-model", "--lake", lake)
        labelled = lake / f"stores/{generator}-labelled"
        judged = json.loads(run("gate", labelled, "--thresholds", limits, "--lake", lake, "--json"))
        assert judged["accepted"] + judged["rejected"] == drop["clips"]
        source = EpisodeStore.open(labelled).rows[0].source.facts()
        assert source is not None and source["generated"]["seed"] >= 0
