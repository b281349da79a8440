"""The shell verbs `gr00t stats` and `gr00t mix`: what is measured, what is mixed, and how two mixtures differ."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages import mix as stages
from gr00t_data.terms.licences import PROFILES, Profile
from gr00t_model.shell.ingest import (
    EmbodimentOption,
    JsonOption,
    LakeOption,
    StoresOption,
    app,
    lake_at,
    progress_bar,
    show,
)

mix_app = typer.Typer(invoke_without_command=True, rich_markup_mode="markdown")
app.add_typer(mix_app, name="mix")

WeightOption = Annotated[list[str], typer.Option(help="STORE=SHARE of the samples, 0..1; repeat for several.")]
TemperatureOption = Annotated[
    float, typer.Option(min=1, help="1 makes every frame equally likely; larger values lift small stores.")
]
NeuralOption = Annotated[
    float | None,
    typer.Option(
        "--neural-per-real",
        min=0,
        help="Neural samples for one real or simulated sample; 0: by frames. 1 where there are both and no weight.",
        show_default=False,
    ),
]
SyntheticOption = Annotated[
    float | None, typer.Option("--max-synthetic", min=0, max=1, help="Largest share of simulated and neural samples.")
]
HumanOption = Annotated[
    float | None, typer.Option("--human", min=0, max=1, help="Share of samples of human video; 0 leaves it out.")
]
ProfileOption = Annotated[
    str, typer.Option("--licence-profile", help="`commercial` refuses stores whose licence does not allow products.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the order and of the held-out episodes.")]
HeldOutOption = Annotated[float, typer.Option(min=0, max=0.9, help="Share of episodes kept for evaluation.")]


def profile_of(text: str) -> Profile:
    """The option as the library has it.

    Raises:
        BadParameter: no such profile.
    """
    found: dict[str, Profile] = {profile: profile for profile in PROFILES}
    if text not in found:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(PROFILES)}", param_hint="--licence-profile")
    return found[text]


def weighing_of(
    among: tuple[Lake, Embodiment, list[str]],
    weight: list[str],
    temperature: float,
    neural_per_real: float | None,
    max_synthetic: float | None,
    human: float | None = None,
):
    """The options as the library has them.

    Args:
        among: the lake, the robot and the patterns of the stores that are mixed.

    Raises:
        BadParameter: a weight that is not STORE=SHARE.
    """
    shares = {}
    for text in weight:
        name, sign, share = text.rpartition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            sign = ""
        if not sign or not name:
            raise typer.BadParameter(f"{text!r} is not STORE=SHARE, for example PickNPlace=0.3", param_hint="--weight")
    ratio = stages.usual_ratio(*among, shares, neural_per_real)
    return stages.Weighing(temperature, shares, ratio, max_synthetic, human)


@app.command()
def stats(
    embodiment: EmbodimentOption = "gr1",
    stores: StoresOption = ["*"],  # noqa: B006 - typer copies it
    weight: WeightOption = [],  # noqa: B006
    temperature: TemperatureOption = 1.0,
    neural_per_real: NeuralOption = None,
    max_synthetic: SyntheticOption = None,
    human: HumanOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure normalization statistics over all accepted episodes of the lake, weighed as the mixture is.

    Only stores that are new are read. Example: `gr00t stats --weight PickNPlace=0.5`
    """
    from gr00t_data.batches.statistics.oddities import oddities

    robot = load_embodiment(embodiment)
    among = lake_at(lake), robot, stores
    weighing = weighing_of(among, weight, temperature, neural_per_real, max_synthetic, human)
    statistics, path = stages.measure_statistics(lake_at(lake), robot, stores, weighing=weighing)
    rows = [
        {"part": f"{side}.{name}", "count": part.count, "mean": _short(part.mean), "std": _short(part.std)}
        | {"min": _short(part.min), "max": _short(part.max), "q01": _short(part.q01), "q99": _short(part.q99)}
        for side, parts in (("state", statistics.state), ("action", statistics.action))
        for name, part in parts.items()
    ]
    facts: dict[str, Any] = {"statistics": str(path), "digest": statistics.digest, "shares": statistics.shares}
    facts["notes"] = oddities(statistics, robot)
    notes = facts["notes"] if as_json else facts.pop("notes")
    show(facts, as_json, rows)
    for note in () if as_json else notes:
        typer.echo(note)


def _short(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


@mix_app.callback()
def mix(
    context: typer.Context,
    embodiment: EmbodimentOption = "gr1",
    stores: StoresOption = ["*"],  # noqa: B006
    weight: WeightOption = [],  # noqa: B006
    temperature: TemperatureOption = 1.0,
    neural_per_real: NeuralOption = None,
    max_synthetic: SyntheticOption = None,
    human: HumanOption = None,
    licence_profile: ProfileOption = "any",
    seed: SeedOption = 0,
    held_out_share: HeldOutOption = 0.1,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write down what training samples: stores, shares, accepted episodes, held-out episodes, seed.

    `gr00t mix preview` says what a mixture will do before it is written, `gr00t mix diff A B` how two differ.
    """
    if context.invoked_subcommand:
        return
    robot = load_embodiment(embodiment)
    among = lake_at(lake), robot, stores
    weighing = weighing_of(among, weight, temperature, neural_per_real, max_synthetic, human)
    manifest, path = stages.mix(
        lake_at(lake),
        robot,
        stores,
        weighing=weighing,
        seed=seed,
        held_out_share=held_out_share,
        licence_profile=profile_of(licence_profile),
    )
    show_preview(manifest, robot, None, as_json, {"file": str(path)})


@mix_app.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(help="A manifest: lake/mixtures/<digest>.json.")],
    after: Annotated[Path, typer.Argument(help="Another manifest.")],
) -> None:
    """How one manifest differs from another, as JSON; exit status 1 when it does.

    Example: `gr00t mix diff lake/mixtures/0a1b….json lake/mixtures/2c3d….json`
    """
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.batches.mixture.preview import difference

    changes = difference(MixtureManifest.load(before), MixtureManifest.load(after))
    typer.echo(json.dumps(changes, indent=1, ensure_ascii=False))
    if changes:
        raise typer.Exit(1)


@mix_app.command("export")
def export(
    manifest: Annotated[Path, typer.Argument(help="A manifest: lake/mixtures/<digest>.json.")],
    target: Annotated[Path, typer.Argument(help="Folder to write; it must not exist yet.")],
    held_out: Annotated[bool, typer.Option("--held-out", help="Also the episodes kept for evaluation.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the episodes of a mixture as one LeRobot v3.0 dataset, for trainers that read that format.

    Example: `gr00t mix export lake/mixtures/0a1b….json ~/data/mixture_v3`
    """
    from gr00t_data.batches.mixture.manifest import MixtureManifest

    with progress_bar("exporting") as progress:
        notes = stages.export_mixture(MixtureManifest.load(manifest), target, progress, held_out=held_out)
    lines = [{name: fact for name, fact in vars(note).items() if fact is not None} for note in notes]
    show({"target": str(target), "notes": lines if as_json else len(lines)}, as_json)
    for note in () if as_json else notes:
        typer.echo(note.message)


def show_preview(
    manifest: Any, embodiment: Embodiment, samples: int | None, as_json: bool, facts: dict[str, Any]
) -> None:
    """Print what a manifest will draw."""
    from gr00t_data.batches.mixture.preview import preview

    seen = preview(manifest, embodiment.control_hz, samples, embodiment.action_horizon)
    if as_json:
        show({**facts, **asdict(seen)}, True)
        return
    facts = {**facts, "digest": seen.manifest, "training frames": seen.frames, "hours": f"{seen.hours:.3g}"}
    facts |= {"samples drawn": seen.samples, "held-out episodes": len(manifest.held_out)}
    rows = [{k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in seen.sources]
    show(facts, False, rows)
    for title, shares in (("by kind", seen.kinds), ("by task", seen.tasks)):
        typer.echo(f"{title}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    for warning in seen.warnings:
        typer.secho(f"warning: {warning}", fg="yellow")
