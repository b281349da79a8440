"""The kinds of files of a lake, and the uses that read each."""

from dataclasses import dataclass

from benchmarks.rest.lake import STORE

_OTHER = "current/norm_stats_gr1.json"
_STORE = f"stores/{STORE}"


@dataclass(frozen=True)
class Kind:
    """Files that are read alike.

    Attributes:
        patterns: of their places in the lake.
        uses: names of ``USES`` that read every one of them.
        trained: files are named by episodes, and those of held-out ones are not read.
        like: another file of the lake that is of this kind too; empty: each other lake has one.
    """

    name: str
    patterns: tuple[str, ...]
    uses: tuple[str, ...]
    like: str = ""
    trained: bool = False


KINDS = (
    Kind("store: seal", (f"{_STORE}/meta/seal.json",), ("open", "doctor", "stats", "mix", "train", "eval", "verify")),
    Kind("store: info", (f"{_STORE}/meta/info.json",), ("open", "doctor", "stats", "mix", "train", "eval", "verify")),
    Kind("store: about", (f"{_STORE}/meta/about.json",), ("open", "doctor", "stats", "mix", "train", "verify")),
    Kind(
        "store: episodes, tasks",
        (f"{_STORE}/meta/episodes.jsonl", f"{_STORE}/meta/tasks.jsonl", f"{_STORE}/meta/modality.json"),
        ("open", "doctor", "stats", "mix", "convert", "verify"),
    ),
    Kind("store: its statistics", (f"{_STORE}/meta/*stats.json*",), ("doctor", "check", "convert", "verify")),
    Kind(
        "store: rows",
        (f"{_STORE}/data/*/*.parquet",),
        ("doctor", "check", "stats", "mix", "mix export", "convert", "verify"),
    ),
    Kind("store: videos", (f"{_STORE}/videos/*/*/*.mp4",), ("doctor", "check", "mix export", "convert", "verify")),
    Kind("landing record", ("landed/*",), ("landing", "verify")),
    Kind("index", ("index/*",), ("stats kept", "mix kept", "verify")),
    Kind("tally", ("statistics/tallies/*",), ("stats kept", "verify")),
    Kind("statistics", ("statistics/*.json",), ("train cached", "verify")),
    Kind("mixture", ("mixtures/*",), ("train cached", "preview", "mix export", "verify")),
    Kind("motions", ("cache/motions/*",), ("mix kept", "verify")),
    Kind("frames", ("cache/frames/*/*/*",), ("train framed", "verify"), trained=True),
    Kind("features", ("cache/features/*/*",), ("train cached", "verify")),
    Kind("pointer of the mixture", ("current/mixture_gr1.json",), ("preview", "train", "verify"), _OTHER),
    Kind(
        "pointer of the checkpoint",
        ("current/checkpoint_gr1.json",),
        ("lineage", "release", "eval", "verify"),
        _OTHER,
    ),
    Kind("run: RUN.json", ("runs/*/RUN.json",), ("resume", "states", "at a step", "verify")),
    Kind("run: metrics", ("runs/*/metrics.jsonl",), ("states", "resume", "verify")),
    Kind("run: outcome", ("runs/*/outcome.json",), ("states", "verify")),
    Kind("run: its random base", ("runs/*/base/*", "runs/*/base/*/*"), ("resume", "at a step", "verify")),
    Kind("state", ("runs/*/states/00000004/*",), ("resume", "verify")),
    Kind("state before", ("runs/*/states/00000002/*",), ("at a step", "verify")),
    Kind(
        "checkpoint: weights",
        ("checkpoints/*/*.safetensors",),
        ("act", "eval", "release", "reproduce", "train on", "verify"),
    ),
    Kind(
        "checkpoint: statistics",
        ("checkpoints/*/statistics.json", "checkpoints/*/experiment_cfg/*"),
        ("act", "eval", "release", "reproduce", "verify"),
    ),
    Kind(
        "checkpoint: what it saw",
        tuple(f"checkpoints/*/{name}.json" for name in ("episodes", "lineage", "manifest", "train_config", "versions")),
        ("lineage", "act", "release", "reproduce", "verify"),
    ),
    Kind(
        "checkpoint: the others",
        ("checkpoints/*/[cd]*.json", "checkpoints/*/e*[!s].*", "checkpoints/*/tokenizer/*"),
        ("act", "eval", "release", "reproduce", "verify"),
    ),
    Kind("evaluation", ("evaluations/*/report.json",), ("release", "verify")),
    Kind("evaluation: figures", ("evaluations/*/*.png",), ("release", "verify")),
    Kind("release history", ("releases/*/history.json",), ("releases", "release again", "verify")),
    Kind("model card", ("releases/*/*/*",), ("verify",)),
    Kind("inverse dynamics model", ("idm/*/model/*",), ("idm eval", "verify")),
    Kind("checkpoint of a state", ("runs/*/exports/*/*",), ("at a step kept", "verify")),
    Kind("dream: manifest", ("dreams/*/manifest.jsonl",), ("clips", "verify")),
    Kind("dream: clips", ("dreams/*/videos/*.mp4", "dreams/*/first/*"), ("clips", "verify")),
    Kind("gate: scores", ("cache/gate/scores/*",), ("gate", "verify")),
    Kind("gate: labelled rows", ("cache/gate/labelled/*/*/data/*/*",), ("gate anew", "verify")),
    Kind("gate: thresholds", ("gate/*/thresholds.json",), ("gate thresholds", "verify")),
    Kind("gate: report", ("gate/*/report.json",), ("verify",)),
    Kind("withdrawals", ("withdrawn.yaml", "withdrawn.digest.json"), ("stats kept", "mix kept", "verify")),
)
