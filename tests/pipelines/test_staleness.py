"""Stale in the UI is what a change touches, and nothing else: asked of Dagster's own resolver, in a real instance."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.mixtures import mixture_assets
from assets.recording import record
from assets.reporting import Made
from assets.teleop import teleop_episodes
from assets.versions import DEPENDS, code_version
from gr00t_data.code_key import code_key, library_versions
from gr00t_data.curate.rules import checking_libraries
from gr00t_data.disk import digest_json
from gr00t_data.lake import Lake
from pipelines.definitions import defs
from tests.pipelines.drops import GR1, put
from tests.pipelines.stale_assets import statuses

ROOT = Path(__file__).parents[2]
TREE = ("assets", "pipelines", "schemas", "gr00t_data", "gr00t_model")
LATER = {
    "base_nano": (),
    "finetune_gr1": ("norm_stats_gr1", "mixture_gr1", "base_nano"),
    "checkpoint_gr1": ("finetune_gr1",),
    "evaluation_gr1": ("checkpoint_gr1",),
    "released_gr1": ("evaluation_gr1",),
    "served_gr1": ("released_gr1",),
}
CODE = ["CODE: has a new code version"]
DATA = ["DATA: has a new dependency data version"]


def trained(lake: Lake, instance: dg.DagsterInstance, content: str) -> None:
    """The events of a training, without the training: what it leaves is named ``content``."""

    @dg.asset
    def training(context: dg.AssetExecutionContext) -> None:
        for key, inputs in LATER.items():
            version = code_version(key if key in DEPENDS else key.removesuffix("_gr1"), GR1)
            record(context, key, Made(lake.root, digest_json([key, content])), version, inputs=inputs)

    assert dg.materialize([training], instance=instance).success


def make(asset: dg.AssetsDefinition, lake: Lake, instance: dg.DagsterInstance, drop: str | None = None) -> None:
    instance.add_dynamic_partitions("drops", [drop] if drop else [])
    graph = [teleop_episodes, *mixture_assets(GR1)]
    done = dg.materialize(graph, selection=[asset], partition_key=drop, resources={"lake": lake}, instance=instance)
    assert done.success


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    return Lake(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def instance(home, lake) -> Iterator[dg.DagsterInstance]:
    """Everything was made once."""
    with dg.DagsterInstance.local_temp(str(home)) as one:
        put(lake, "monday")
        make(teleop_episodes, lake, one, "monday")
        for asset in mixture_assets(GR1):
            make(asset, lake, one)
        trained(lake, one, "first")
        yield one


def edited(file: str, before: str, after: str) -> Callable[[Path], None]:
    """A change of a checkout: a copy of the tree in which one file says something else."""

    def change(folder: Path) -> None:
        for name in TREE:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        text = (folder / file).read_text()
        assert before in text
        (folder / file).write_text(text.replace(before, after, 1))

    return change


def unrelated(folder: Path) -> None:
    """A comment in the embodiment's file, another embodiment, another library."""
    edited("schemas/embodiments/so100.yaml", "control_hz: 30", "control_hz: 31")(folder)
    file = folder / "schemas/embodiments/gr1.yaml"
    file.write_text(f"# a comment\n{file.read_text()}")
    installed("requests")(folder)


def installed(library: str) -> Callable[[Path], None]:
    """A change of the environment: another version of a library is found first."""

    def change(folder: Path) -> None:
        (folder / f"{library}-99.0.dist-info").mkdir(parents=True)
        (folder / f"{library}-99.0.dist-info/METADATA").write_text(f"Name: {library}\nVersion: 99.0\n")

    return change


MADE = {"teleop_episodes[monday]", "norm_stats_gr1", "mixture_gr1", *LATER}
CHECKED = {"teleop_episodes[monday]", "norm_stats_gr1", "mixture_gr1"}
CHANGES = {
    "what nothing reads": (unrelated, set()),
    "gr1": (edited("schemas/embodiments/gr1.yaml", "control_hz: 20", "control_hz: 21"), CHECKED | {"finetune_gr1"}),
    "a threshold": (edited("gr00t_data/curate/checks/kept.py", "_IDLE_KEPT_S = 0.5", "_IDLE_KEPT_S = 0.6"), CHECKED),
    "mujoco": (installed("mujoco"), {"teleop_episodes[monday]", "base_nano", "evaluation_gr1"}),
    "peft": (installed("peft"), {"finetune_gr1"}),
    "crick": (installed("crick"), {"norm_stats_gr1"}),
}


def test_a_change_marks_what_reads_it_and_nothing_else(instance, home, tmp_path) -> None:
    folders = [tmp_path / name.replace(" ", "_") for name in CHANGES]
    for folder, (change, _) in zip(folders, CHANGES.values(), strict=True):
        change(folder)
    program = [sys.executable, "-m", "tests.pipelines.stale_assets", str(home), *map(str, folders)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr[-3000:]
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for name, answer in zip(CHANGES, answers, strict=True):
        assert answer.keys() == MADE, name
        assert {asset for asset, causes in answer.items() if causes} == CHANGES[name][1], name
        assert all(causes in ([], CODE) for causes in answer.values()), name


def stale(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    return {asset: causes for asset, causes in statuses(defs, instance).items() if causes}


def test_new_data_marks_the_next_asset_and_equal_data_marks_none(instance, lake) -> None:
    statistics, mixture = mixture_assets(GR1)
    assert stale(instance) == {}
    make(teleop_episodes, lake, instance, "monday")
    for asset in (mixture, statistics):
        make(asset, lake, instance)
    assert stale(instance) == {}  # made again, and the same
    put(lake, "tuesday", seed=1)
    make(teleop_episodes, lake, instance, "tuesday")
    assert stale(instance).keys() == {"norm_stats_gr1", "mixture_gr1"}
    for asset in (statistics, mixture):
        make(asset, lake, instance)
    assert stale(instance) == {"finetune_gr1": DATA * 2}
    trained(lake, instance, "second")
    assert stale(instance) == {}


def test_every_asset_has_a_version_out_of_the_table() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        name = key.to_user_string()
        stage = max((one for one in DEPENDS if f"{name}_".startswith(f"{one}_")), key=len)
        code, *factors = (graph.get(key).code_version or "").split("; ")
        assert code == f"code {code_key(DEPENDS[stage].code)[:8]}", name
        checking = checking_libraries() if DEPENDS[stage].checks else {}
        libraries = sorted(library_versions(DEPENDS[stage].code) | checking)
        assert [one.split()[0] for one in factors[len(factors) - len(libraries) :]] == libraries, name
        assert "not installed" not in "; ".join(factors), f"{name}: a library of its table does not exist"
