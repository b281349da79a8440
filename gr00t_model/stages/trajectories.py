"""From generated clips to trajectories for training, over a whole lake: take in, label, judge, seal the accepted."""

from dataclasses import dataclass
from pathlib import Path

from gr00t_data.curate.gate.thresholds import GateError
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.progress import Say
from gr00t_data.sources.neural.finding import MANIFEST
from gr00t_data.sources.neural.ingest import ingest_clips
from gr00t_data.stages.stores import check, checked_stores, sealed_stores, unlabelled
from gr00t_data.store.store import EpisodeStore, json_lines
from gr00t_data.terms.licences import UNKNOWN, joined
from gr00t_model.idm.report import GuessError, guessed_parts
from gr00t_model.stages.gate import GateReport, GateSettings, free_slot, gate_store
from gr00t_model.stages.settings import TrajectoriesSettings


class MissingModel(ValueError):
    """There are clips to label and no inverse dynamics model."""


@dataclass(frozen=True)
class Gated:
    """What became of one store of generated clips.

    Attributes:
        accepted: the sealed store of accepted trajectories; None when every clip was rejected or nobody judged them.
        report: of the gate; None with the folder.
        folder: with the report and the contact sheets; None when every clip was rejected before they were written.
    """

    clips: EpisodeStore
    accepted: EpisodeStore | None
    folder: Path | None
    report: GateReport | None
    problem: str = ""

    @property
    def rejected_by(self) -> str:
        """The scores and how many clips each rejected, or why nobody judged them."""
        return ", ".join(f"{k} {v}" for k, v in self.report.rejected_by.items()) if self.report else self.problem

    @property
    def sheet(self) -> Path | None:
        """The first contact sheet."""
        return self.folder / self.report.sheets[0] if self.folder and self.report else None


def generated_stores(lake: Lake, embodiment: Embodiment) -> list[EpisodeStore]:
    """Stores of generated clips that wait for labels: landed ones, and the newest dreams of the lake, taken in here."""
    if (dreamed := lake.pointed(f"dreamed_videos_{embodiment.name}")) is not None:
        stated = {str(line.get("licence") or UNKNOWN.name) for line in json_lines(dreamed[0] / MANIFEST)}
        ingest_clips(dreamed[0], embodiment, lake, licence=joined(sorted(stated)))
    found = [store for store in sealed_stores(lake, embodiment) if unlabelled(store)]
    for store in found:
        check(lake, store, embodiment)  # every store of a lake has its verdicts, whoever brought it
    return found


def waiting_clips(lake: Lake, embodiment: Embodiment) -> bool:
    """Whether there is anything that an inverse dynamics model would label."""
    dreamed = lake.pointed(f"dreamed_videos_{embodiment.name}")
    return dreamed is not None or any(unlabelled(store) for store in sealed_stores(lake, embodiment))


def make_trajectories(
    lake: Lake, embodiment: Embodiment, settings: TrajectoriesSettings = TrajectoriesSettings(), say: Say = print
) -> list[Gated]:
    """Label and judge every store of generated clips with the lake's inverse dynamics model; done work is found done.

    A model that is no better than a guess on held-out episodes labels nothing, and its clips wait, unless the settings
    take any.

    Raises:
        MissingModel: there are clips, but no model to label them.
        StoreError: there is no recorded episode to set the thresholds by.
    """
    stores = generated_stores(lake, embodiment)
    if not stores:
        return []
    pointed = lake.pointed(f"idm_{embodiment.name}")
    if pointed is None:
        raise MissingModel(
            f"{lake.root}: has {len(stores)} stores of generated clips and no inverse dynamics model of "
            f"{embodiment.name}; materialize idm_{embodiment.name} or run `gr00t idm train`"
        )
    try:
        guessed_parts(pointed[0], settings.any_model)
    except GuessError as error:
        return [_judged_by_nobody(lake, store, str(error), say) for store in stores]
    real = [store for store, _ in checked_stores(lake, embodiment) if store.kind in ("real", "simulated")]
    slot = free_slot(embodiment) if settings.own_slot else None
    how = GateSettings(replay=settings.replay, slot=slot, any_model=settings.any_model)
    return [_gated(lake, store, embodiment, pointed[0], real, how, say) for store in stores]


def _gated(
    lake: Lake,
    store: EpisodeStore,
    embodiment: Embodiment,
    idm: Path,
    real: list[EpisodeStore],
    settings: GateSettings,
    say: Say,
) -> Gated:
    def progress(what: str, done: int, total: int) -> None:
        if done == total or done % max(total // 4, 1) == 0:
            say(f"{store.root.name}: {what}, {done} of {total}")

    try:
        accepted, folder = gate_store(lake, store, embodiment, idm, real=real, settings=settings, progress=progress)
    except GateError as error:
        return _judged_by_nobody(lake, store, str(error), say)
    return Gated(store, accepted, folder, GateReport.load(folder))


def _judged_by_nobody(lake: Lake, store: EpisodeStore, problem: str, say: Say) -> Gated:
    """What an earlier judgement accepted is not accepted any more: the clips stand for themselves again."""
    say(problem)
    lake.point(f"trajectories_{store.root.name}", store.root, store.digest)
    return Gated(store, None, None, None, problem)
