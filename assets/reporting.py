"""Made: what an asset's body returns, in the two forms Dagster wants; tables and figures as metadata."""

import base64
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from gr00t_data.foreign_text import markdown, printable, printable_lines

if TYPE_CHECKING:
    from gr00t_data.curate.index import Index
    from gr00t_data.lake import Lake
    from gr00t_data.store.store import EpisodeStore


Metadata = Mapping[str, dg.MetadataValue | str | int | float | bool | None]
"""What the UI shows of an asset, by its name there."""


@dataclass(frozen=True)
class Made:
    """One thing that was made (or found made).

    Attributes:
        path: where it lies in the lake.
        digest: hash of its content; becomes the data version.
        metadata: what the UI shows.
        checks: results of the asset's checks.
    """

    path: Path
    digest: str
    metadata: Metadata = field(default_factory=dict)
    checks: tuple[dg.AssetCheckResult, ...] = ()

    def _shown(self) -> Metadata:
        shown = {printable(name): printable(v) if isinstance(v, str) else v for name, v in self.metadata.items()}
        return {"path": dg.MetadataValue.path(str(self.path)), "digest": self.digest[:16], **shown}

    def result(self) -> dg.MaterializeResult:
        """For the asset itself."""
        version = dg.DataVersion(self.digest[:32])
        return dg.MaterializeResult(metadata=self._shown(), data_version=version, check_results=self.checks)

    def event(self, key: str, partition: str | None, tags: Mapping[str, str]) -> dg.AssetMaterialization:
        """For an asset that was built on behalf of another one; ``tags`` say with which code and inputs."""
        tags = {"dagster/data_version": self.digest[:32], **tags}
        return dg.AssetMaterialization(key, metadata=self._shown(), partition=partition, tags=tags)


class _Plain(logging.Filter):
    """Lines and tracebacks quote data: they are shown as ``printable_lines`` has them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See ``logging.Filter``; every record passes."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        record.msg, record.args, record.exc_info = printable_lines(text), (), None
        return True


_PLAIN = _Plain()


@contextmanager
def in_plain_text(log: logging.Logger) -> Iterator[None]:
    """While the block runs, what is logged, and what is raised from it, shows foreign text as text."""
    log.addFilter(_PLAIN)
    try:
        yield
    except Exception as error:
        _make_plain(error)
        raise
    finally:
        log.removeFilter(_PLAIN)


def _make_plain(error: BaseException | None) -> None:
    while error is not None:
        error.args = tuple(printable_lines(one) if isinstance(one, str) else one for one in error.args)
        if isinstance(error, dg.Failure):
            error.description = printable_lines(error.description or "")
        error = error.__cause__ or error.__context__


def told(
    name: str, passed: bool, text: str, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN
) -> dg.AssetCheckResult:
    """What a check of the asset found; unless said, a failed one warns and does not stop."""
    return dg.AssetCheckResult(check_name=name, passed=passed, severity=severity, description=printable(text))


def all_accepted(name: str, accepted: int, total: int, what: str) -> dg.AssetCheckResult:
    """Passes when every one of ``total`` was accepted; an error when none was."""
    severity = dg.AssetCheckSeverity.WARN if accepted else dg.AssetCheckSeverity.ERROR
    return told(name, 0 < accepted == total, f"{accepted} of {total} {what} accepted", severity)


def every_tenth(log: dg.DagsterLogManager, what: str, before: str = "") -> Callable[[int, int], None]:
    """A progress that writes about ten lines to the log: how many of all are done."""

    def progress(done: int, total: int) -> None:
        if done % max(total // 10, 1) == 0 or done == total:
            log.info(f"{before}{done} of {total} {what}")

    return progress


def content_of(store: "EpisodeStore", index: "Index") -> str:
    """Hash of what others read: the store, and of the verdicts what may be used. Texts of findings are no news."""
    from gr00t_data.disk import digest_json

    usable = [[one.episode_index, one.keep, one.instruction, *one.text_changes] for one in index.accepted]
    return digest_json([store.digest, usable])


def table(rows: Sequence[Mapping[str, Any]], limit: int = 200) -> dg.TableMetadataValue:
    """Rows as a table; the columns are those of the first row. At most ``limit`` rows are kept."""
    kinds = {bool: "bool", int: "int", float: "float"}
    records = [dg.TableRecord({printable(k): _cell(v) for k, v in row.items()}) for row in rows[:limit]]
    first = rows[0] if rows else {}
    columns = [dg.TableColumn(printable(name), type=kinds.get(type(value), "string")) for name, value in first.items()]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def what_became(store: "EpisodeStore") -> Metadata:
    """Of the episodes that a drop held: how many became those of the store, and why the others did not; of rollouts,
    who acted and how they ended."""
    from gr00t_data.sources.content import acted, counts

    refused = [{"what": one.episode, "reason": one.reason} for one in store.about.source.refused or ()]
    return {**counts(store), **acted(store), "refused, with reasons": table(refused)}


def _cell(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, int | float | bool) or value is None else printable(value)


def left_out(lake: "Lake") -> Metadata:
    """What the UI shows of stores that cannot be read and so are part of nothing; empty where there is none."""
    from gr00t_data.stages.stores import damaged_stores

    rows = [{"store": name, "reason": reason} for name, reason in damaged_stores(lake).items()]
    return {"left out, with reasons": table(rows)} if rows else {}


def figure(png: bytes, caption: str) -> dg.MarkdownMetadataValue:
    """A PNG (at most 350 px wide, which is what the UI's dialog shows) as Markdown."""
    return dg.MetadataValue.md(f"![{markdown(caption)}](data:image/png;base64,{base64.b64encode(png).decode()})")
