"""What is killed: the stages of the library, the steps of a Dagster run, a training with its ranks."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kills.tally import MADE
from benchmarks.kills.victim import TAG, End, run, tagged, wait_for

ROOT = Path(__file__).parents[2]
_KEPT = ("landing", "home", "victim.log")
_LAUNCH = "import sys; from benchmarks.kills.scenes import launched; launched(sys.argv[1])"
_VARIABLES = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def launched(run_root: str) -> None:
    """Train a prepared run as Dagster does."""
    from gr00t_model.stages.train import train_run
    from gr00t_model.training.key import PolicyRun

    train_run(PolicyRun(Path(run_root)), print)


@dataclass
class Stages:
    """Two drops, one with a rejected episode, through the stages in forked processes (their imports are done)."""

    root: Path
    name: str = "stages"

    def prepare(self) -> None:
        from gr00t_data.lake import Lake
        from tests.pipelines.drops import put

        put(Lake(self.root), "monday", episodes=2)
        put(Lake(self.root), "tuesday", episodes=2, bad=(1,), seed=1)

    def run(self, kill_after_s: float | None = None, *, whole_group: bool = False) -> End:
        from tests.pipelines import killing

        os.environ[TAG] = self.name  # the server takes it over when it starts, and its children from it
        before = {process.pid for process in tagged(self.name)}
        status = killing.run(killing.stages, self.root, kill_after_s=kill_after_s)
        orphans, outlived_s = wait_for(self.name, but=before or {process.pid for process in tagged(self.name)})
        return End(None if status == killing.KILLED else status, orphans, outlived_s, "")

    def clear(self) -> None:
        for name in (*MADE, "locks"):
            shutil.rmtree(self.root / name, ignore_errors=True)


@dataclass
class Steps:
    """`dagster asset materialize --select '*evaluation_gr1'` with the tiny graph, in a lake of its own."""

    root: Path
    name: str = "Dagster steps"

    def run(self, kill_after_s: float | None = None, *, whole_group: bool = False) -> End:
        home = self.root / "home"
        home.mkdir(parents=True, exist_ok=True)
        variables = {"GR00T_LAKE": str(self.root), "DAGSTER_HOME": str(home), **_VARIABLES}
        variables |= {"DAGSTER_MODULE_NAME": "pipelines.command_line", "GR00T_LANDING": ""}
        dagster = str(Path(sys.executable).parent / "dagster")
        words = ["asset", "materialize", "--select", "*evaluation_gr1", "--config", str(ROOT / "pipelines/tiny.yaml")]
        command = [dagster, *words, "-d", str(ROOT)]
        return run(command, self.root, variables, kill_after_s=kill_after_s, whole_group=whole_group)

    def clear(self) -> None:
        for path in self.root.iterdir():
            if path.is_dir() and path.name not in _KEPT:
                shutil.rmtree(path)


@dataclass
class Training:
    """A training of a very small model with ``ranks`` ranks, started with `accelerate launch`."""

    root: Path
    ranks: int

    @property
    def name(self) -> str:
        return f"training, {self.ranks} rank" + "s" * (self.ranks > 1)

    def prepare(self) -> None:
        from gr00t_model.loop.config import Machine
        from gr00t_model.training.key import prepare_run
        from tests.model.tiny import build

        lake = build(self.root)
        machine = Machine(threads=1, num_processes=self.ranks)
        config = lake.config(steps=40, checkpoint_every_steps=4, machine=machine)
        prepare_run(config, self.root / "prepared").root.rename(self.root / "run")

    def run(self, kill_after_s: float | None = None, *, whole_group: bool = False) -> End:
        command = [sys.executable, "-c", _LAUNCH, str(self.root / "run")]
        return run(command, self.root, _VARIABLES, kill_after_s=kill_after_s, whole_group=whole_group)

    def clear(self) -> None:
        shutil.rmtree(self.root / "cache", ignore_errors=True)
        for path in (self.root / "run").iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "RUN.json":
                path.unlink()
