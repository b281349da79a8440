"""The gate against planted defects: AUROC per defect and score, kept share, false rejects of real clips.

    python -m benchmarks.neural.gate --store lake/stores/simulator --idm lake/idm/nano --into out

Half of the episodes that the model was not trained on set the thresholds; the other half are the clean clips that
should pass, and what defects are planted into. Every dream is labelled twice: with its true actions (what a perfect
inverse dynamics model would say: the upper bound) and by the model. With --teleop and --clips, recorded teleoperation
is judged with one episode left out at a time, and published dreams under the thresholds it sets.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from benchmarks.command import command
from benchmarks.neural.gate_measures import markdown, rejected_by, rejected_share, table, without_duplicates
from benchmarks.neural.gate_real import published_dreams, teleoperation
from gr00t_data.curate.gate.gate import judge, score_store
from gr00t_data.curate.gate.scores import ClipScores
from gr00t_data.curate.gate.sheet import write_sheets
from gr00t_data.curate.gate.thresholds import calibrate
from gr00t_data.disk import write_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.neural.oracle.oracle import DEFECTS, Wanted, dream
from gr00t_data.sources.neural.replay import replay_in_simulator
from gr00t_data.store.store import SEAL, EpisodeStore
from gr00t_model.idm.artifact import Artifact, load_artifact
from gr00t_model.idm.label import label_store

ROBOT = load_embodiment("gr1")
_FEWEST_ROWS = 25
_NOTHING_MOVES = "reach"


def unseen(store: EpisodeStore, artifact: Artifact | None) -> list[int]:
    """Episodes long enough to be labelled that the model was not trained on; all when there is no model."""
    learned = {tuple(one) for one in artifact.facts.get("learned", ())} if artifact else set()
    return [row.index for row in store.rows if row.length >= _FEWEST_ROWS and (store.digest, row.index) not in learned]


def wanted_defects(store: EpisodeStore, episodes: list[int], per_defect: int, strength: float) -> list[Wanted]:
    """Each defect in ``per_defect`` episodes, evenly spread (stores are sorted by task); what needs a moving object not
    in a mere reach.
    """
    tasks = {index: store.row(index).source.task for index in episodes}
    moving = [index for index in episodes if tasks[index] != _NOTHING_MOVES]
    return [
        Wanted(index, defect, strength)
        for defect in sorted(DEFECTS)
        for index in _spread(moving if defect == "carry" else episodes, per_defect)
    ]


def _spread(episodes: list[int], count: int) -> list[int]:
    places = np.linspace(0, len(episodes) - 1, min(count, len(episodes))).round().astype(int)
    return [episodes[place] for place in places]


def dreamed(store: EpisodeStore, wanted: list[Wanted], into: Path, name: str) -> None:
    """Seal the dreams and their truth, unless that was done before."""
    if not (into / name / SEAL).is_file():
        dream(store, ROBOT, wanted, into / name, seed=1, truth=into / f"{name}-true", progress=_say(f"dreaming {name}"))


def labelled(artifact: Artifact | None, into: Path, name: str, labels: str) -> EpisodeStore | None:
    """The dreams with one kind of labels; None when there is no model for them."""
    target = into / f"{name}-{labels}"
    if not (target / SEAL).is_file():
        if artifact is None:
            return None
        label_store(EpisodeStore.open(into / name), artifact, target, progress=_say(f"labelling {name}"))
    return EpisodeStore.open(target)


def _say(what: str):
    return lambda done, total: print(f"{what}: {done}/{total}", flush=True) if done % 10 == 0 or done == total else None


def measured(artifact: Artifact | None, into: Path, labels: str) -> dict[str, Any] | None:
    """All numbers for one kind of labels; None without the model."""
    clean, bad = (labelled(artifact, into, name, labels) for name in ("clean", "bad"))
    if clean is None or bad is None:
        return None
    kept, replayer = into / "scores", replay_in_simulator
    clean_scores = score_store(clean, ROBOT, None, _say(f"scoring clean, {labels}"), replayer, kept)
    bad_scores = score_store(bad, ROBOT, None, _say(f"scoring defects, {labels}"), replayer, kept)
    setting = {index: one for number, (index, one) in enumerate(clean_scores.items()) if number % 2}
    good = [one for index, one in clean_scores.items() if index not in setting]
    limits = without_duplicates(calibrate([(clean, setting)]))
    of: dict[str, list[ClipScores]] = {}
    for index, one in bad_scores.items():
        of.setdefault(str(bad.row(index).source.facts()["defect"]), []).append(one)
    write_sheets(into / f"sheets-{labels}", bad, judge(bad_scores, limits))
    return {
        "thresholds": limits.limits,
        "calibrated_on": limits.calibrated_on,
        "set_by": len(setting),
        "promised": limits.promised,
        "false_rejects_setting": limits.false_rejects,
        "clean_unseen": len(good),
        "false_rejects_unseen": rejected_share(good, limits),
        "false_rejects_by": rejected_by(good, limits),
        "kept_share_of_all_dreams": 1 - rejected_share([*good, *bad_scores.values()], limits),
        "clips": {defect: len(clips) for defect, clips in of.items()},
        "caught": {defect: rejected_share(clips, limits) for defect, clips in of.items()},
        "caught_by": {defect: rejected_by(clips, limits) for defect, clips in of.items()},
        "auroc": table(of, good),
    }


@command
def main(
    *,
    store: Annotated[Path, Parameter(help="Recorded in the simulator, without shoves.")],
    into: Annotated[Path, Parameter(help="What is done there already is not done again.")],
    idm: Annotated[Path | None, Parameter(help="A model; without it only the upper bound is measured.")] = None,
    episodes: int = 80,
    per_defect: int = 8,
    strength: Annotated[float, Parameter(help="Multiplies the size of every defect.")] = 1.0,
    teleop: Annotated[Path | None, Parameter(help="Drop of recorded GR-1 teleoperation.")] = None,
    clips: Annotated[Path | None, Parameter(help="Drop of published dreams.")] = None,
) -> None:
    """Print the tables, and write ``gate.json`` and the contact sheets."""
    recorded, artifact = EpisodeStore.open(store), load_artifact(idm) if idm else None
    tested = unseen(recorded, artifact)[:episodes]
    dreamed(recorded, [Wanted(index) for index in tested], into, "clean")
    dreamed(recorded, wanted_defects(recorded, tested[::2], per_defect, strength), into, "bad")
    report: dict[str, Any] = {labels: measured(artifact, into, labels) for labels in ("true", "idm")}
    if teleop:
        report["teleoperation"], cut, scores = teleoperation(teleop, ROBOT, into)
        if clips:
            report["published_dreams"] = published_dreams(clips, ROBOT, into, cut, scores)
    write_json(into / "gate.json", report)
    for labels in ("true", "idm"):
        if one := report[labels]:
            print(f"\nlabels: {labels}; thresholds set by {one['set_by']} clean clips\n\n{markdown(one)}\n")
            share, count = one["false_rejects_unseen"], one["clean_unseen"]
            print(f"false rejects: {share:.3f} of {count} unseen clean clips {one['false_rejects_by']}")
            print(f"kept: {one['kept_share_of_all_dreams']:.3f} of all")
    for name in ("teleoperation", "published_dreams"):
        if name in report:
            print(f"\n{name}: {report[name]}")
