"""The model card of a release: one Markdown file with its figures, made from the checkpoint and its report."""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from gr00t_data.disk import replacing_folder, write_json, write_text
from gr00t_data.foreign_text import markdown, printable
from gr00t_data.integrity import digest_of, write_record
from gr00t_model.evaluate.evaluation import Evaluation
from gr00t_model.lineage.chain import Link, SeenEpisode, write_chain
from gr00t_model.lineage.record import Record
from gr00t_model.release.history import Event


def write_card(record: Record, report: Path, content: Evaluation, folder: Path, event: Event) -> Path:
    """Write ``MODEL_CARD.md``, its figures, the report and the lineage into ``folder``, in one step.

    Args:
        record: what the checkpoint says about itself.
        report: folder of the evaluation; its PNG figures are copied.
        event: the entry of the release history.
    """
    with replacing_folder(folder) as temporary:
        figures = sorted(report.glob("*.png"))
        for figure in figures:
            shutil.copyfile(figure, temporary / figure.name)
        write_json(temporary / "report.json", content.facts())
        write_json(temporary / "episodes.json", [episode.facts() for episode in record.episodes])
        write_chain(temporary, record.chain)
        write_text(temporary / "MODEL_CARD.md", card(record, content, event, [figure.name for figure in figures]))
        write_record(temporary)  # last: it names every file
    return folder / "MODEL_CARD.md"


def card(record: Record, content: Evaluation, event: Event, figures: Sequence[str] = ()) -> str:
    """The text of the card."""
    sections = [
        f"# {markdown(record.folder.name)}\n\n{_summary(record, content, event)}",
        f"## Data\n\n{table(_stores(record))}\n\nShares by kind: {_kinds(record)}.",
        f"## Base weights\n\n{_base(record)}",
        f"## Licences\n\n{_licences(record)}",
        f"## Results\n\n{table(_results(content))}",
        _comparison(content),
        "## Figures\n\n" + "\n\n".join(f"![{name.removesuffix('.png')}]({name})" for name in figures),
        f"## Hashes\n\n{table(_hashes(record))}",
        f"## Versions\n\n{table(_versions(record))}",
        "## Limits\n\nMeasured in simulation and on held-out recordings only. It has not been tried on a robot.",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table; the columns are those of the first row."""
    if not rows:
        return "None."
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(map(markdown, row.values())) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _summary(record: Record, content: Evaluation, event: Event) -> str:
    return (
        f"Recipe `{record.config.recipe}`, {content.steps} steps, embodiment "
        f"{markdown(', '.join(member.embodiment for member in record.members))}. "
        f"{event.action.capitalize()} {event.number} at {event.at}: {markdown('; '.join(event.reasons))}."
    )


def _code(name: str) -> str:
    """A name as code, which only a backtick could end."""
    inside = printable(name).replace("`", "'")
    return f"`{inside}`"


def _stores(record: Record) -> list[dict[str, object]]:
    """One row a store; those that only a checkpoint before it has seen say so."""
    own = _stores_of(record.link("checkpoint", ""), "")
    return own + [row for link in record.chain for row in _stores_of(link, link.name)]


def _stores_of(link: Link, through: str) -> list[dict[str, object]]:
    total = sum(episode.samples for episode in link.episodes) or 1
    grouped: dict[str, list[SeenEpisode]] = defaultdict(list)
    for episode in link.episodes:
        grouped[episode.store].append(episode)
    return [
        {
            "store": link.stores.get(digest, digest[:16]),
            "kind": episodes[0].kind,
            "licence": episodes[0].licence,
            "episodes seen": len(episodes),
            "share of samples": f"{100 * sum(e.samples for e in episodes) / total:.1f}%",
            "digest": digest[:16],
            "through": through or "-",
        }
        for digest, episodes in grouped.items()
    ]


def _kinds(record: Record) -> str:
    samples: dict[str, int] = defaultdict(int)
    for episode in record.episodes:
        samples[episode.kind] += episode.samples
    total = sum(samples.values()) or 1
    return (
        ", ".join(f"{markdown(kind)} {100 * count / total:.1f}%" for kind, count in sorted(samples.items())) or "none"
    )


def _base(record: Record) -> str:
    bases = [link for link in record.chain if link.what == "base"]
    before = "".join(f"Trained on from {_code(link.name)}. " for link in bases[:-1])
    first, digest = bases[-1], bases[-1].digest[:16]
    before = f"Started from {markdown(record.base)}. {before}"
    return f"{before}Base {_code(first.name)}, licence: {markdown(first.licence)}." + (
        f" Digest `{digest}`." if digest else ""
    )


def _licences(record: Record) -> str:
    """Of the data, of the models that made its labels, and of what the weights started from; and what they bar."""
    from gr00t_model.release.licences import licences_of

    own = sorted({episode.licence for episode in record.episodes})
    told = licences_of(record.folder)
    return (
        f"Data: {markdown(', '.join(own)) or 'none'}. Inherited: {markdown(told['inherited licences'])}. "
        f"What bars commercial use: {markdown(told['commercial use'])}."
    )


def _results(content: Evaluation) -> list[dict[str, str]]:
    overall, episodes = content.open_loop.overall, content.open_loop.episodes
    ratio = "-" if overall.ratio is None else f"{overall.ratio:.2f} of the better baseline"
    rows = [{"measure": f"open loop, {episodes} held-out episodes", "value": ratio, "95% interval": "-"}]
    for task, result in content.closed_loop.items():
        for name, rate in result.rates.items():
            if rate.trials:
                low, high = rate.interval_95
                share = f"{rate.hits}/{rate.trials}"
                rows.append({"measure": f"{task}, {name}", "value": share, "95% interval": f"{low:.2f} to {high:.2f}"})
    return rows


def _comparison(content: Evaluation) -> str:
    compared = content.comparison
    if not compared:
        return ""
    rows = []
    for measure in compared.measures:
        low, high = measure.interval or (float("nan"), float("nan"))
        rows.append(
            {
                "measure": measure.name,
                "this": f"{measure.candidate:.3f}",
                "before": f"{measure.released:.3f}",
                "difference": f"{measure.difference:+.3f}",
                "95% interval, paired": f"{low:+.3f} to {high:+.3f}",
                "pairs": measure.pairs,
            }
        )
    notes = "".join(f"\n\n{markdown(note)}." for note in compared.notes)
    return f"## Beside the release before\n\nDigest `{compared.released[:16]}`.\n\n{table(rows)}{notes}"


def _hashes(record: Record) -> list[dict[str, str]]:
    files = [path for path in sorted(record.folder.rglob("*")) if path.is_file()]
    rows = [{"what": path.relative_to(record.folder).as_posix(), "sha256": digest_of(path)} for path in files]
    return [{"what": "run key", "sha256": record.key}, *rows]


def _versions(record: Record) -> list[dict[str, object]]:
    own = {name: value for name, value in sorted(record.versions.facts().items()) if name != "libraries"}
    return [{"what": name, "version": value} for name, value in {**own, **record.versions.libraries}.items()]
