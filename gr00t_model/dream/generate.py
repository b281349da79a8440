"""Making the clips of a job: one by one, each finished before the next, into a folder that appears when it is whole.

What the folder holds is what ``gr00t clips`` reads: ``videos/``, ``first/`` with the pictures the clips began with, and
``manifest.jsonl`` with one line a clip. The work lies in a hidden folder beside it until then, so a killed job is never
mistaken for a drop, and goes on with the next clip.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gr00t_data.disk import claimed, digest_file, fsync_folder, replacing, write_json, write_text
from gr00t_data.integrity import IntegrityError, digest_of, read_sealed, require_intact, write_record, write_sealed
from gr00t_data.progress import Progress
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from gr00t_model.dream.dreamers import Dreamer, Dreamt
from gr00t_model.dream.job import DreamJob, clip_seed
from gr00t_model.dream.shots import Shot
from gr00t_model.dream.world_model import ClipShape, DreamError

LIBRARIES = ("av", "diffusers", "mujoco", "numpy", "opencv-python-headless", "pyarrow", "torch", "transformers")

MANIFEST = "manifest.jsonl"
JOB = "job.json"
TRUTH = "truth"
_DONE = ".clips"
_FEWEST_FRAMES = 2


def make_clips(
    target: Path,
    dreamer: Dreamer,
    job: DreamJob,
    listed: list[Shot],
    shape: ClipShape,
    common: Mapping[str, str],
    progress: Progress,
) -> Path:
    """Make what is missing of the drop ``target`` and return it. A folder that is there is whole, nothing is done.

    Args:
        common: fields of every manifest line: embodiment, view, licence.
        progress: called with (clips done, clips in all) after each.

    Raises:
        DreamError: the dreamer cannot make a clip.
        IntegrityError: the drop is there, and a file of it is not the one that was made.
    """
    with claimed(target):
        if target.is_dir():
            require_intact(target, remedy="delete the folder, and generate it again: `gr00t dream`")
            return target
        work = target.parent / f".{target.name}.partial"
        total = len(listed) * job.candidates
        lines = []
        for number in range(total):
            line = _done(work, number)
            if line is None:
                shot, candidate = listed[number // job.candidates], number % job.candidates
                seed = clip_seed(job.seed, shot, candidate)
                made = dreamer.make(shot, number, seed, shape)
                facts = {**dreamer.facts, **common, "seed": seed, "candidate": candidate}
                line = _write_clip(work, number, shot, made, facts, shape)
            lines.append(line)
            progress(number + 1, total)
        return _finish(work, target, job, lines)


def _done(work: Path, number: int) -> dict[str, Any] | None:
    """The line of a clip that was made before a kill; None where there is none, or its files are not those."""
    note = work / _DONE / f"{number:06d}.json"
    if not note.is_file():
        return None
    try:
        found = read_sealed(note, "the clip is made again")
        for name, digest in found["sha256"].items():
            if digest_of(work / name) != digest:
                raise IntegrityError(f"{work / name}: is not the file that was made; the clip is made again")
    except (OSError, IntegrityError) as error:
        warnings.warn(str(error), stacklevel=2)
        return None
    return found["line"]


def _write_clip(
    work: Path, number: int, shot: Shot, made: Dreamt, facts: dict[str, Any], shape: ClipShape
) -> dict[str, Any]:
    """The files of a clip and, last of all, the note that it is done; returns its line of the manifest."""
    if len(made.frames) < _FEWEST_FRAMES or made.frames.dtype != np.uint8:
        raise DreamError(
            f"clip {number} ({shot.instruction!r}) came out as {made.frames.dtype} {list(made.frames.shape)}; a motion "
            f"needs at least {_FEWEST_FRAMES} frames, ask for more"
        )
    name, first, truth = f"videos/{number:06d}.mp4", f"first/{number:06d}.png", f"{TRUTH}/{number:06d}.npy"
    video.encode(work / name, made.frames, shape.fps)
    info = probe(work / name)
    with replacing(work / first) as temporary:
        Image.fromarray(made.first_frame).save(temporary, format="PNG")
    if made.truth is not None:
        with replacing(work / truth) as temporary:
            np.save(temporary, made.truth, allow_pickle=False)
    made_of = {one: digest_file(work / one) for one in (name, first, truth) if one != truth or made.truth is not None}
    line = {"file": name, "first_frame": first, "first_frame_sha256": made_of[first]}
    line |= {"instruction": made.instruction or shot.instruction, "prompt": shot.prompt}
    line |= {"fps": shape.fps, "time_warp": 1.0}
    line |= {"frames": info.frames, "size_px": [info.height, info.width], **facts, **shot.origin, **made.made}
    line["sha256"] = made_of[name]
    write_sealed(work / _DONE / f"{number:06d}.json", {"line": line, "sha256": made_of})
    return line


def _finish(work: Path, target: Path, job: DreamJob, lines: list[dict[str, Any]]) -> Path:
    """Manifest and job beside the clips, then the name of the drop in one rename."""
    text = "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines)
    write_text(work / MANIFEST, text)
    write_json(work / JOB, _named(job))
    write_record(work)  # last: it names every file
    work.replace(target)
    fsync_folder(target.parent)
    return target


def _named(job: DreamJob) -> dict[str, Any]:
    """The job with the last names of its paths: a drop is the same wherever its inputs lay."""
    fields = job.model_dump(mode="json")
    fields |= {name: Path(fields[name]).name for name in ("generator", "adapter")}
    fields["first_frames"]["path"] = Path(job.first_frames.path).name
    return fields
