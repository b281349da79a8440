"""The gate against planted defects: AUROC per defect and score, kept share, false rejects of real clips.

    python -m benchmarks.neural.gate --stores lake/stores/simulator --idm lake/idm/nano/model --into out

Half of the episodes that the model was not trained on set the thresholds, the other half are the clean clips that
should pass. Dreams are oracle dreams: recorded pictures with a defect planted, the actions hidden.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.curate.gate import Thresholds, calibrate, judge, score_store
from gr00t_data.curate.gate_scores import SCORES, ClipScores
from gr00t_data.curate.gate_sheet import write_sheet
from gr00t_data.disk import write_json
from gr00t_data.sources.neural.oracle import DEFECTS, Wanted, dream
from gr00t_data.store import EpisodeStore
from gr00t_model.idm.artifact import Artifact, load_artifact
from gr00t_model.idm.evaluate import held_out
from gr00t_model.idm.label import label_store


def auroc(bad: np.ndarray, good: np.ndarray) -> float:
    """Chance that a bad clip scores higher than a good one, ties half; NaN without numbers."""
    bad, good = bad[np.isfinite(bad)], good[np.isfinite(good)]
    if not len(bad) or not len(good):
        return float("nan")
    above = (bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean()
    return float(above)


def labelled_dreams(
    store: EpisodeStore, artifact: Artifact, wanted: list[Wanted], folder: Path, name: str
) -> tuple[EpisodeStore, dict[int, ClipScores]]:
    """Dreams, labelled and scored. Without ``duplicate``: dreams of one episode are copies by construction."""
    robot = artifact.robot.embodiment
    dreams = dream(store, robot, wanted, folder / name)
    done = label_store(dreams, artifact, folder / f"{name}-labelled", workers=2)
    return done, score_store(done, robot)


def measured(clips: dict[int, ClipScores], clean: dict[int, ClipScores], store: EpisodeStore) -> dict[str, Any]:
    """Defect -> score -> AUROC."""
    of = {index: str((store.row(index).source or {})["defect"]) for index in clips}
    values = {name: np.array([one.values[name] for one in clean.values()]) for name in SCORES}
    return {
        defect: {
            name: auroc(np.array([one.values[name] for i, one in clips.items() if of[i] == defect]), values[name])
            for name in SCORES
            if name not in ("duplicate", "first_frame")
        }
        for defect in DEFECTS
    }


def run(stores: list[Path], idm: Path, into: Path, per_defect: int) -> dict[str, Any]:
    """All of it; also writes ``gate.json`` and the contact sheet."""
    artifact = load_artifact(idm)
    store = EpisodeStore.open(stores[0])
    there = [index for _, index in held_out(artifact, [store]) if store.row(index).length > 24]
    setting, tested = there[::2], there[1::2]
    real, scores = labelled_dreams(store, artifact, [Wanted(index) for index in setting], into, "real")
    limits = calibrate([(real, scores)])
    kept = {name: limit for name, limit in limits.limits.items() if name != "duplicate"}
    limits = Thresholds(kept, limits.measured, limits.false_rejects)
    _, clean = labelled_dreams(store, artifact, [Wanted(index) for index in tested], into, "clean")
    wanted = [Wanted(index, defect) for defect in DEFECTS for index in tested[:per_defect]]
    bad_store, bad = labelled_dreams(store, artifact, wanted, into, "defects")
    judged = judge(bad, limits)
    of = {index: str((bad_store.row(index).source or {})["defect"]) for index in bad}
    caught = {d: float(np.mean([bool(one.reasons) for one in judged if of[one.episode] == d])) for d in DEFECTS}
    false = [bool(one.reasons) for one in judge(clean, limits)]
    report = {
        "calibrated_on": len(scores),
        "false_rejects_calibration": limits.false_rejects,
        "clean_clips": len(clean),
        "false_rejects_unseen": float(np.mean(false)),
        "thresholds": limits.limits,
        "caught": caught,
        "auroc": measured(bad, clean, bad_store),
    }
    write_json(into / "gate.json", report)
    write_sheet(into / "gate.png", bad_store, judged)
    return report


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", type=Path, nargs="+", required=True)
    parser.add_argument("--idm", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--per-defect", type=int, default=8)
    given = parser.parse_args()
    report = run(given.stores, given.idm, given.into, given.per_defect)
    names = [name for name in SCORES if name not in ("duplicate", "first_frame")]
    print(f"{'defect':12s} caught  " + " ".join(f"{name[:12]:>12s}" for name in names))
    for defect, table in report["auroc"].items():
        print(f"{defect:12s} {report['caught'][defect]:6.2f}  " + " ".join(f"{table[name]:12.2f}" for name in names))
    used, unseen = report["false_rejects_calibration"], report["false_rejects_unseen"]
    print(f"false rejects: {used:.3f} of the {report['calibrated_on']} that set the thresholds")
    print(f"               {unseen:.3f} of {report['clean_clips']} others")


if __name__ == "__main__":
    main()
