"""The inverse dynamics model that the benchmarks of this folder measure: recorded, checked and trained once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt
from cyclopts.validators import Number

from benchmarks.command import say
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.sim.tasks import TASKS
from gr00t_data.stages.ingest import simulate
from gr00t_data.stages.settings import Demonstrations
from gr00t_data.stages.stores import check
from gr00t_data.store.store import EpisodeStore
from gr00t_model.groot.cpu_products import use_fast_products
from gr00t_model.idm.artifact import Artifact, load_artifact
from gr00t_model.idm.config import IdmTraining
from gr00t_model.idm.evaluate import held_out
from gr00t_model.idm.examples import Source
from gr00t_model.stages.idm import measure_idm, train_idm

STORE = "simulator-idm"
SEED = 3000


@dataclass(frozen=True)
class Subject:
    """What is measured: the model, and the episodes that it has not seen (of a store without verdicts all count)."""

    artifact: Artifact
    store: EpisodeStore
    index: Index | None
    folder: Path

    @property
    def robot(self) -> Embodiment:
        """The robot of the simulator."""
        return self.artifact.robot.embodiment

    @property
    def source(self) -> Source:
        """The store with its verdicts."""
        return self.store if self.index is None else (self.store, self.index)

    @property
    def unseen(self) -> list[int]:
        """Accepted episodes of the store that the model was not trained on."""
        return [episode for _, episode in held_out(self.artifact, [self.source])]


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """Which model is measured: what all benchmarks of this folder can be told."""

    lake: Annotated[Path, Parameter(help="Folder that keeps the recordings and the model between runs.")] = Path("lake")
    episodes: Annotated[int, Parameter(validator=Number(gte=2), help="Recorded episodes per task.")] = 200
    steps: Annotated[PositiveInt, Parameter(help="Optimizer steps of the training.")] = 2000
    idm: Annotated[Path | None, Parameter(help="A trained model instead of training one.")] = None

    def subject(self, nearest_gap: int | None = None) -> Subject:
        """Record, check and train; each is done once for the same arguments and code.

        Args:
            nearest_gap: see ``IdmTraining``.
        """
        use_fast_products()
        lake, robot, idm = Lake(self.lake.absolute()), load_embodiment("gr1"), self.idm
        wanted = Demonstrations.of(dict.fromkeys(TASKS, self.episodes), seed=SEED)
        store = simulate(lake, robot, wanted, name=STORE)
        index = check(lake, store, robot)
        if idm is None:
            training = IdmTraining(steps=self.steps, held_out_share=0.1, nearest_gap=nearest_gap)
            idm, _ = train_idm(lake, robot, [STORE], training=training, say=say)
        elif not (idm / "report.json").is_file():
            measure_idm(idm, [(store, index)])
        return Subject(load_artifact(idm), store, index, idm)


DEFAULT = Options()
