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
        like: another file of the lake that is of this kind too; empty: each other lake has one.
    """

    name: str
    patterns: tuple[str, ...]
    uses: tuple[str, ...]
    like: str = ""


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
    Kind("frames", ("cache/frames/*/*/*",), ("verify",)),
    Kind("features", ("cache/features/*/*",), ("train cached", "verify")),
    Kind("pointer of the mixture", ("current/mixture_gr1.json",), ("preview", "train cached", "verify"), _OTHER),
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
    Kind("withdrawals", ("withdrawn.yaml", "withdrawn.digest.json"), ("stats kept", "mix kept", "verify")),
)
