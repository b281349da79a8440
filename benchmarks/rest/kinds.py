"""The kinds of files of a lake, and the uses that read each; every file of the lake is of one, see ``without_kind``."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmarks.rest.further import BASELINE, MERGED, PUBLISHED
from benchmarks.rest.steps import STORE

_OTHER, _PRODUCT = "current/norm_stats_gr1.json", "current/mixture_gr1.json"
_SEEN = ("episodes", "lineage", "manifest", "train_config", "versions")
_DREAMER = "runs/dream_nano-*"
_STORE = f"stores/{STORE}"


@dataclass(frozen=True)
class Kind:
    """Files that are read alike.

    Attributes:
        patterns: of their places in the lake.
        uses: names of ``USES`` that read every one of them.
        trained: files are named by episodes, and those of held-out ones are not read.
        passed_over: what becomes of another file of its kind, where nobody takes it for this one.
        like: another file of the lake that is of this kind too; empty: each other lake has one.
    """

    name: str
    patterns: tuple[str, ...]
    uses: tuple[str, ...]
    like: str = ""
    trained: bool = False
    passed_over: str = ""


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
    Kind("run: RUN.json", ("runs/tiny-*/RUN.json",), ("resume", "states", "at a step", "verify")),
    Kind("run: metrics", ("runs/tiny-*/metrics.jsonl",), ("states", "resume", "verify")),
    Kind("run: outcome", ("runs/tiny-*/outcome.json",), ("states", "verify")),
    Kind("run: its random base", ("runs/tiny-*/base/*", "runs/tiny-*/base/*/*"), ("resume", "at a step", "verify")),
    Kind("state", ("runs/tiny-*/states/00000004/*",), ("resume", "verify")),
    Kind("state before", ("runs/tiny-*/states/00000002/*",), ("at a step", "verify")),
    Kind(
        "checkpoint: weights",
        ("checkpoints/tiny-*/*.safetensors",),
        ("act", "eval", "release", "reproduce", "train on", "verify"),
    ),
    Kind(
        "checkpoint: statistics",
        ("checkpoints/tiny-*/statistics.json", "checkpoints/tiny-*/experiment_cfg/*"),
        ("act", "eval", "release", "reproduce", "verify"),
    ),
    Kind(
        "checkpoint: what it saw",
        tuple(
            f"checkpoints/tiny-*/{name}.json"
            for name in ("episodes", "lineage", "manifest", "train_config", "versions")
        ),
        ("lineage", "act", "release", "reproduce", "verify"),
    ),
    Kind(
        "checkpoint: the others",
        ("checkpoints/tiny-*/[cd]*.json", "checkpoints/tiny-*/e*[!s].*", "checkpoints/tiny-*/tokenizer/*"),
        ("act", "eval", "release", "reproduce", "verify"),
    ),
    Kind("checkpoint: metrics", ("checkpoints/tiny-*/metrics.json",), ("act", "release", "verify")),
    Kind("evaluation", ("evaluations/*/*.json",), ("release", "verify")),
    Kind("evaluation: figures", ("evaluations/*/*.png", "evaluations/*/parts/*.png"), ("release", "verify")),
    Kind("release history", ("releases/*/history.json",), ("releases", "release again", "verify")),
    Kind("model card", ("releases/*/*/*",), ("verify",)),
    Kind("inverse dynamics model", ("idm/*/model/*",), ("idm eval", "verify")),
    Kind(
        "checkpoint of a state", ("runs/tiny-*/exports/*/*", "runs/tiny-*/exports/*/*/*"), ("at a step kept", "verify")
    ),
    Kind("dream: manifest", ("dreams/oracle-*/*.json", "dreams/oracle-*/manifest.jsonl"), ("clips", "verify")),
    Kind(
        "dream: clips", tuple(f"dreams/oracle-*/{name}/*" for name in ("videos", "first", "truth")), ("clips", "verify")
    ),
    Kind("gate: scores", ("cache/gate/scores/*",), ("gate", "verify")),
    Kind("gate: labelled rows", ("cache/gate/labelled/*/*/data/*/*",), ("gate anew", "verify")),
    Kind("gate: thresholds", ("gate/dreams-accepted-*/thresholds.json",), ("gate thresholds", "verify")),
    Kind("gate: report", ("gate/dreams-accepted-*/[dr]*.json", "gate/dreams-accepted-*/*.png"), ("verify",)),
    Kind("gate: answers of a judge", ("cache/gate/judge/*",), ("gate judged", "verify")),
    Kind("store: how it was made", (f"{_STORE}/.how_made.json",), ("take in", "verify")),
    Kind(
        "record of a failed drop",
        ("failed/*",),
        ("landing", "verify"),
        passed_over="passed over, it is of another drop: this one is tried again",
    ),
    Kind(
        "baseline of the doctor",
        (BASELINE,),
        ("doctor known", "verify"),
        passed_over="taken: which baseline counts is said by who asks",
    ),
    Kind("adapter", ("checkpoints/adapted-*/adapter/*", "checkpoints/adapted-*/adapter/*/*"), ("merge", "verify")),
    Kind("merged model", (f"{MERGED}/*", f"{MERGED}/*/*"), ("train merged", "verify")),
    Kind("inverse dynamics: run.json", ("idm/*/run.json",), ("idm train", "verify")),
    Kind("inverse dynamics: metrics", ("idm/*/run/metrics.jsonl",), ("idm train", "verify")),
    Kind("inverse dynamics: outcome", ("idm/*/run/outcome.json",), ("verify",)),
    Kind("inverse dynamics: state", ("idm/*/run/states/*/*",), ("idm train", "verify")),
    Kind("world model: RUN.json", ("runs/dream_*/RUN.json",), ("runs", "verify")),
    Kind("world model: metrics", (f"{_DREAMER}/metrics.jsonl",), ("dream on", "verify")),
    Kind("world model: outcome", ("runs/dream_*/outcome.json",), ("runs", "verify")),
    Kind(
        "world model: start",
        (f"{_DREAMER}/start/*", f"{_DREAMER}/start/tokenizer/*"),
        ("dream on", "dream anew", "verify"),
    ),
    Kind("world model: codes of clips", (f"{_DREAMER}/encoded/*",), ("dream on", "dream anew", "verify")),
    Kind("world model: state", (f"{_DREAMER}/states/00000002/*",), ("dream on", "verify")),
    Kind("world model", (f"{_DREAMER}/model/*", f"{_DREAMER}/model/tokenizer/*"), ("dream nano", "verify")),
    Kind("world model: adapter", ("runs/dream_lora-*/adapter/*",), ("dream adapted", "verify")),
    Kind("world model: state of an adapter", ("runs/dream_lora-*/states/00000002/*",), ("dream adapter", "verify")),
    Kind("published world model", (f"{PUBLISHED}/*", f"{PUBLISHED}/*/*"), ("dream adapted",)),
    Kind(
        "remembered digests",
        ("cache/model_digests.json",),
        ("dream nano", "verify"),
        passed_over="passed over, it names other files: all are hashed",
    ),
    Kind("reproduction", ("reproductions/*/RUN.json", "reproductions/inputs/*/*"), ("reproduce", "verify")),
    Kind("pointer of the statistics", ("current/norm_stats_gr1.json",), ("train", "verify"), _PRODUCT),
    Kind("pointer of the run", ("current/run_gr1.json",), ("states", "resume", "verify"), _OTHER),
    Kind("pointer of the release", ("current/released_gr1.json",), ("release again", "verify"), _OTHER),
    Kind("pointer of the inverse dynamics", ("current/idm_gr1.json",), ("idm eval", "verify"), _OTHER),
    Kind("pointer of the world model", ("current/world_model_gr1.json",), ("dream nano", "verify"), _OTHER),
    Kind("pointer of its adapter", ("current/world_model_adapter_gr1.json",), ("dream adapted", "verify"), _OTHER),
    Kind(
        "pointers of the graph",
        ("current/evaluation_gr1.json", "current/dreamed_videos_gr1.json", "current/trajectories_dreams.json"),
        ("verify",),
        _OTHER,
    ),
    Kind("withdrawals", ("withdrawn.yaml", "withdrawn.digest.json"), ("stats kept", "mix kept", "verify")),
)


_ALIKE = (
    (r"(stores|cache/gate/labelled/\w+)/[\w-]+/", f"{_STORE}/"),
    (r"(runs/[\w-]+/checkpoint|checkpoints/[\w-]+)/adapter/", "checkpoints/adapted-0/adapter/"),
    (r"(runs/[\w-]+/checkpoint|checkpoints/[\w-]+)/(?!adapter/)", "checkpoints/tiny-0/"),
    (r"runs/(adapted-\w+|dream_lora-\w+)/(?!adapter/|states/)", "runs/dream_nano-0/"),
    (r"runs/adapted-\w+/states/\d+/", "runs/tiny-0/states/00000002/"),
    (r"runs/dream_(\w+-\w+)/states/\d+/", r"runs/dream_\1/states/00000002/"),
    (r"dreams/[\w-]+/", "dreams/oracle-0/"),
    (r"gate/[\w-]+/", "gate/dreams-accepted-0/"),
)
"""Folders whose files are read as those of another: patterns of how a place begins, and of the other one."""
_NOT_READ = (
    (r"landing/", "drops of others, whose content is recorded with their store"),
    (r"locks/|.*[/.]lock$", "hold nothing"),
    (r".*/tensorboard/", "curves for people"),
    (r"dreams/[\w-]+/\.clips/", "notes of a job while it runs: the record of the drop takes their place"),
    (r"runs/dream_nano-\w+/tokenizer/", "copied to what the run starts with, and read there"),
)
"""What no use believes: pattern, and why."""


def without_kind(root: Path) -> list[str]:
    """The files of a lake that are of no kind here, so that nobody would change a byte of them."""
    names = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file())
    return [name for name in names if not _covered(name)]


def _covered(name: str) -> bool:
    if any(re.match(pattern, name) for pattern, _ in _NOT_READ):
        return True
    places = {name, *(re.sub(f"^{pattern}", other, name) for pattern, other in _ALIKE)}
    return any(PurePosixPath(place).match(pattern) for place in places for kind in KINDS for pattern in kind.patterns)
