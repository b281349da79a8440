"""One self-contained HTML page about a store: verdicts, findings on timelines, thumbnails, distributions. No script."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from gr00t_data.curate import figures
from gr00t_data.curate.checks.catalogue import CHECKS
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.disk import write_text
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.store.texts import spans, text_at
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_TIMELINE_PX = 760
_THUMBNAIL_PX = 96
_THUMBNAILS = 6
_MOST_EPISODES = 200
_MOST_WITH_PICTURES = 40
_MOST_IN_FIGURES = 100
_GRAVITY = {"error": 0, "warning": 1, "info": 2}


def write_report(
    path: Path,
    store: EpisodeStore,
    embodiment: Embodiment,
    findings: Sequence[Finding],
    verdicts: Sequence[Verdict],
    *,
    pictures: bool = True,
    path_shown: str = "",
) -> Path:
    """Write the page of one store; it opens without a network and holds no script.

    Args:
        findings: about the store as a whole.
        verdicts: of its episodes. The gravest ``_MOST_EPISODES`` are shown, thumbnails for ``_MOST_WITH_PICTURES``.
        pictures: decode thumbnails; without them the page takes no time.
        path_shown: how the page names the folder, where it is not that of the store.
    """
    order = sorted(verdicts, key=lambda verdict: (_gravity(verdict), verdict.episode_index))
    shown = sorted(order[:_MOST_EPISODES], key=lambda verdict: verdict.episode_index)
    with_pictures = {verdict.episode_index for verdict in order[: _MOST_WITH_PICTURES if pictures else 0]}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        name=store.root.name,
        path=path_shown or str(store.root),
        embodiment=embodiment.name,
        kind=store.kind,
        licence=store.licence,
        fps=f"{embodiment.control_hz:g}",
        facts=_facts(verdicts, embodiment),
        store_findings=sorted(findings, key=lambda finding: _GRAVITY[finding.severity]),
        codes=_codes(findings, verdicts),
        figures=_figures(store, embodiment, verdicts),
        hidden=len(verdicts) - len(shown),
        episodes=[_episode(store, embodiment, v, v.episode_index in with_pictures) for v in shown],
    )
    write_text(path, page)
    return path


def _gravity(verdict: Verdict) -> int:
    return min((_GRAVITY[finding.severity] for finding in verdict.findings), default=3)


def _facts(verdicts: Sequence[Verdict], embodiment: Embodiment) -> list[dict[str, Any]]:
    accepted = sum(verdict.accepted for verdict in verdicts)
    frames = sum(verdict.length for verdict in verdicts)
    kept = sum(verdict.kept_frames for verdict in verdicts)
    return [
        {"name": "episodes", "value": len(verdicts)},
        {"name": "accepted", "value": accepted},
        {"name": "rejected", "value": len(verdicts) - accepted},
        {"name": "with warnings", "value": sum(_gravity(verdict) == 1 for verdict in verdicts)},
        {"name": "minutes", "value": f"{frames / embodiment.control_hz / 60:.1f}"},
        {"name": "frames may be sampled", "value": f"{kept / max(frames, 1):.0%}"},
    ]


def _codes(findings: Sequence[Finding], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """One entry a code, gravest first: what it says, what it costs, and where it was found."""
    episodes: dict[str, list[int]] = {}
    severity: dict[str, str] = {}
    for index, finding in [(None, f) for f in findings] + [(v.episode_index, f) for v in verdicts for f in v.findings]:
        numbers = episodes.setdefault(finding.code, [])
        if index is not None and index not in numbers:
            numbers.append(index)
        severity[finding.code] = min(severity.get(finding.code, "info"), finding.severity, key=lambda s: _GRAVITY[s])
    return [
        {
            "code": code,
            "severity": severity[code],
            "title": CHECKS[code].title if code in CHECKS else "",
            "consequence": CHECKS[code].consequence if code in CHECKS else "",
            "where": _listed(numbers) or "the store",
        }
        for code, numbers in sorted(episodes.items(), key=lambda item: (_GRAVITY[severity[item[0]]], item[0]))
    ]


def _listed(numbers: Sequence[int]) -> str:
    more = f" ... ({len(numbers)} in all)" if len(numbers) > 12 else ""
    return ", ".join(map(str, numbers[:12])) + more


def _figures(store: EpisodeStore, embodiment: Embodiment, verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    drawn = [("durations", figures.episode_durations([v.length / embodiment.control_hz for v in verdicts] or [0.0]))]
    chosen = verdicts[:: max(len(verdicts) // _MOST_IN_FIGURES, 1)]
    actions = _parts(store, embodiment, chosen, "action")
    if actions:
        drawn.append(("actions, in the unit of each part", figures.action_histograms(actions)))
    states = _parts(store, embodiment, chosen, "state")
    if states:
        speeds = {name: np.abs(np.diff(values, axis=0)) * embodiment.control_hz for name, values in states.items()}
        drawn.append(("speeds of the state, in the unit of each part a second", figures.action_histograms(speeds)))
    return [{"name": name, "uri": _uri(png, "png")} for name, png in drawn]


def _parts(
    store: EpisodeStore, embodiment: Embodiment, verdicts: Iterable[Verdict], side: str
) -> Mapping[str, np.ndarray]:
    """Finite rows of the parts of the default selection, float64 [T, D] each; unreadable parts are left out."""
    selection = embodiment.selection()
    names = selection.state if side == "state" else selection.action
    parts = [embodiment.state_part(n) if side == "state" else embodiment.action_part(n) for n in names]
    rows: dict[str, list[np.ndarray]] = {part.name: [] for part in parts}
    for verdict in verdicts:
        for part in parts:
            try:
                values = store.matrix(verdict.episode_index, part.column)[:, part.slice]
            except (StoreError, KeyError, ValueError):
                continue
            if values.shape[1] == part.dim:
                rows[part.name].append(values[np.isfinite(values).all(1)])
    return {name: np.concatenate(chunks) for name, chunks in rows.items() if sum(map(len, chunks)) > 1}


def _episode(store: EpisodeStore, embodiment: Embodiment, verdict: Verdict, pictures: bool) -> dict[str, Any]:
    return {
        "index": verdict.episode_index,
        "accepted": verdict.accepted,
        "texts": _texts(verdict),
        "length": verdict.length,
        "seconds": verdict.length / embodiment.control_hz,
        "strips": _strips(store, embodiment, verdict) if pictures else [],
        "timeline": _timeline(verdict),
        "findings": sorted(verdict.findings, key=lambda finding: _GRAVITY[finding.severity]),
    }


def _texts(verdict: Verdict) -> list[dict[str, Any]]:
    """The instructions with the frames they hold at; where one holds all along, it says none."""
    found = spans(verdict.instruction, verdict.text_changes, verdict.length) if verdict.text_changes else []
    if not found:
        return [{"text": verdict.instruction, "frames": ""}]
    return [{"text": text, "frames": f"{first}-{end - 1}"} for first, end, text in found]


def _strips(store: EpisodeStore, embodiment: Embodiment, verdict: Verdict) -> list[dict[str, Any]]:
    strips = []
    for camera in embodiment.cameras:
        try:
            path = store.video_path(verdict.episode_index, camera.name)
            last = probe(path).frames - 1
            shown = np.linspace(0, last, _THUMBNAILS).round().astype(int).tolist()
            frames = video.decode_at(path, shown)
        except (video.VideoError, KeyError, ValueError):
            continue
        said = [text_at(verdict.instruction, verdict.text_changes, frame) for frame in shown]
        pictures = [{"uri": _thumbnail(frame), "text": text} for frame, text in zip(frames, said, strict=True)]
        strips.append({"camera": camera.name, "pictures": pictures})
    return strips


def _thumbnail(frame: np.ndarray) -> str:
    import cv2

    height = max(round(frame.shape[0] * _THUMBNAIL_PX / frame.shape[1]), 1)
    small = cv2.resize(frame, (_THUMBNAIL_PX, height), interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    return _uri(coded.tobytes(), "jpeg")


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _timeline(verdict: Verdict) -> dict[str, Any]:
    """Boxes of an SVG: one row a finding that has frames, and the frames that may be sampled below them."""
    located = [finding for finding in verdict.findings if finding.frames is not None]
    ends = [finding.frames[1] + 1 for finding in located if finding.frames is not None]
    scale = _TIMELINE_PX / max(verdict.length, *ends, 1)
    bars = []
    for row, finding in enumerate(sorted(located, key=lambda finding: _GRAVITY[finding.severity])):
        first, last = finding.frames or (0, 0)
        x, width = first * scale, max((last + 1 - first) * scale, 3.0)
        beside = x + width < 0.8 * _TIMELINE_PX
        bars.append(
            {
                "x": round(x, 1),
                "y": row * 11,
                "width": round(width, 1),
                "label_x": round(x + width + 4 if beside else max(x - 4, 60), 1),
                "anchor": "start" if beside else "end",
                "code": finding.code,
                "severity": finding.severity,
                "first": first,
                "last": last,
            }
        )
    keep = [{"x": round(a * scale, 1), "width": round((b - a) * scale, 1)} for a, b in verdict.keep]
    return {"bars": bars, "keep": keep, "base": len(bars) * 11 + 2, "height": len(bars) * 11 + 12}
