"""The shell verbs `gr00t stats` and `gr00t mix`: what is measured, what is mixed, and how two mixtures differ."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from gr00t_data.stages.settings import MixtureSettings, Shares
from gr00t_model.shell.app import InLake, OfRobot, Shown, print_json, progress_bar, tell
from gr00t_model.shell.options import verb

if TYPE_CHECKING:
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.embodiment.robot import Embodiment
    from gr00t_data.lake import Lake

mix = App(name="mix")

ManifestArgument = Annotated[
    str, Parameter(help="A manifest: path, pointer such as mixture_gr1, or part of its digest.")
]


@verb
def stats(
    *,
    shares: Shares,
    asked: OfRobot,
) -> None:
    """Measure normalization statistics over all accepted episodes of the lake, weighed as the mixture is.

    Only stores that are new are read. Example: `gr00t stats --weight PickNPlace=0.5`
    """
    from gr00t_data.batches.statistics.oddities import oddities
    from gr00t_data.stages import mix as stages

    robot, where = asked.robot, asked.where
    statistics, path = stages.measure_statistics(where, robot, shares)
    rows = [
        {"part": f"{side}.{name}", "count": part.count, "mean": _short(part.mean), "std": _short(part.std)}
        | {"min": _short(part.min), "max": _short(part.max), "q01": _short(part.q01), "q99": _short(part.q99)}
        for side, parts in (("state", statistics.state), ("action", statistics.action))
        for name, part in parts.items()
    ]
    facts: dict[str, Any] = {"statistics": str(path), "digest": statistics.digest, "shares": statistics.shares}
    facts["notes"] = oddities(statistics, robot)
    facts |= _left_out(where)
    notes = facts["notes"] if asked.as_json else facts.pop("notes")
    asked.show(facts, rows)
    for note in () if asked.as_json else notes:
        tell(note)


def _left_out(lake: "Lake") -> dict[str, Any]:
    """Stores that cannot be read, with the reason: nothing is made of them."""
    from gr00t_data.stages.stores import damaged_stores

    damaged = damaged_stores(lake)
    return {"left out": damaged} if damaged else {}


def _short(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


@mix.default
@verb
def write(
    *,
    settings: MixtureSettings,
    asked: OfRobot,
) -> None:
    """Write down what training samples: stores, shares, accepted episodes, held-out episodes, seed.

    `gr00t mix preview` says what a mixture will do before it is written, `gr00t mix diff A B` how two differ.
    """
    from gr00t_data.stages.mix import mix as write_mixture

    robot = asked.robot
    manifest, path = write_mixture(asked.where, robot, settings)
    _show_preview(manifest, robot, None, asked, {"file": str(path), **_left_out(asked.where)})


@mix.command
@verb
def preview(
    recipe: Annotated[str, Parameter(help="A training recipe: how many samples it draws.")] = "gr1_nano",
    /,
    *,
    manifest: Annotated[str, Parameter(help="Preview this manifest (path or name) instead of planning one.")] = "",
    settings: MixtureSettings,
    asked: OfRobot,
) -> None:
    """What a mixture will be made of in training, before any: probabilities, hours, repeats, shares, traps.

    Nothing is written. Example: `gr00t mix preview gr1_nano_long --temperature 2`
    """
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.stages.mix import plan_mix
    from gr00t_data.stages.names import manifest_named
    from gr00t_model.stages.train import samples_of

    robot, samples, where = asked.robot, samples_of(recipe), asked.where
    planned = MixtureManifest.load(manifest_named(where, manifest)) if manifest else plan_mix(where, robot, settings)
    _show_preview(planned, robot, samples, asked, {"recipe": recipe, **_left_out(where)})


@mix.command
@verb
def diff(before: ManifestArgument, after: ManifestArgument, /, *, asked: InLake) -> int:
    """How one manifest differs from another, as JSON; exit status 1 when it does.

    Example: `gr00t mix diff 0a1b3c5d mixture_gr1`
    """
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.batches.mixture.preview import difference
    from gr00t_data.stages.names import manifest_named

    one, other = (MixtureManifest.load(manifest_named(asked.where, text)) for text in (before, after))
    changes = difference(one, other).facts()
    print_json(changes)
    return 1 if changes else 0


@mix.command
@verb
def export(
    manifest: ManifestArgument,
    target: Annotated[Path, Parameter(help="Folder to write; it must not exist yet.")],
    /,
    *,
    held_out: Annotated[bool, Parameter(help="Also the episodes kept for evaluation.")] = False,
    asked: InLake,
) -> None:
    """Write the episodes of a mixture as one LeRobot v3.0 dataset, for trainers that read that format.

    Example: `gr00t mix export mixture_gr1 ~/data/mixture_v3`
    """
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.stages.mix import export_mixture
    from gr00t_data.stages.names import manifest_named

    chosen = MixtureManifest.load(manifest_named(asked.where, manifest))
    with progress_bar("exporting") as progress:
        notes = export_mixture(chosen, target, progress, held_out=held_out)
    lines = [{name: fact for name, fact in vars(note).items() if fact is not None} for note in notes]
    asked.show({"target": str(target), "notes": lines if asked.as_json else len(lines)})
    for note in () if asked.as_json else notes:
        tell(note.message)


def _show_preview(
    manifest: "MixtureManifest", embodiment: "Embodiment", samples: int | None, asked: Shown, facts: dict[str, object]
) -> None:
    """Print what a manifest will draw."""
    from gr00t_data.batches.mixture.preview import preview

    seen = preview(manifest, embodiment.control_hz, samples, embodiment.action_horizon)
    if asked.as_json:
        asked.show({**facts, **asdict(seen)})
        return
    facts = {**facts, "digest": seen.manifest, "training frames": seen.frames, "hours": f"{seen.hours:.3g}"}
    facts |= {"samples drawn": seen.samples, "held-out episodes": len(manifest.held_out)}
    rows = [{k: f"{v:.4g}" if isinstance(v, float) else v for k, v in vars(row).items()} for row in seen.sources]
    asked.show(facts, rows)
    for title, shares in (("by kind", seen.kinds), ("by task", seen.tasks)):
        tell(f"{title}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    for warning in seen.warnings:
        tell(f"warning: {warning}")
