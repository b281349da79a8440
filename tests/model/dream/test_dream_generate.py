"""From shots to a drop that is read as clips: provenance, seeds, jobs that are killed, what is refused."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gr00t_data.disk import digest_file
from gr00t_data.lake import Lake
from gr00t_data.sources.neural.finding import find_clips
from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.video import files as video
from gr00t_model.dream.job import DreamJob, clip_seed
from gr00t_model.dream.pictures import tile, view_of
from gr00t_model.dream.plans import job_of, lines_of, source_of
from gr00t_model.dream.settings import DreamSettings, Sizes
from gr00t_model.dream.shots import FirstFrames, Instructions, shots
from gr00t_model.dream.world_model import ClipShape, DreamError, Sampler
from gr00t_model.stages.dream import dream, job_named, plan_dream
from tests import NOWHERE
from tests.data.builders import GR1, episode, sealed
from tests.model import tiny_worlds

ROOT = Path(__file__).parents[3]
SMALL = ClipShape(frames=5, fps=16, height=32, width=32)
TOY = Sampler(steps=1, guidance=1.0)


def oracle(count: int = 1, **changes: Any) -> DreamJob:
    frames = FirstFrames(tasks=("reach",), count=count)
    return DreamJob(first_frames=frames, shape=ClipShape(frames=140, fps=20, height=64, width=64), **changes)


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_worlds.wan(tmp_path_factory.mktemp("generate") / "wan")


def lines(drop: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (drop / "manifest.jsonl").read_text().splitlines()]


def test_the_oracle_dreams_what_the_expert_does_and_hides_how(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    drop, digest = dream(Lake(tmp_path), GR1, oracle(), progress=lambda a, b: done.append((a, b)))
    (line,) = lines(drop)
    scene = line["scene"]
    assert done == [(1, 1)] and scene == {"simulator": "tabletop", "task": "reach", "seed": 500_000}
    told = record_episode("reach", 500_000, 64)
    assert line["instruction"] == told.instruction and line["frames"] == len(told) and line["fps"] == 20
    assert np.array_equal(np.load(drop / "truth/000000.npy"), told.action)
    assert digest_file(drop / line["first_frame"]) == line["first_frame_sha256"]
    shown = np.array(Image.open(drop / line["first_frame"]))
    assert np.array_equal(shown, np.asarray(told.video["ego_view"])[0])
    assert Lake(tmp_path).pointed("dreamed_videos_gr1") == (drop, digest)
    assert dream(Lake(tmp_path), GR1, oracle()) == (drop, digest)  # nothing is made again
    assert dream(Lake(tmp_path / "other"), GR1, oracle())[1] == digest


def test_clips_reads_the_drop_with_its_provenance(tmp_path: Path, wan: Path) -> None:
    store = sealed(tmp_path / "store", [episode(6, seed, instruction=f"reach ball {seed}") for seed in range(2)])
    job = DreamJob(
        generator=str(wan),
        first_frames=FirstFrames(source="store", path=str(store.root)),
        instructions=Instructions(prompt="A robot. {instruction}."),
        shape=SMALL,
        candidates=2,
        sampler=TOY,
        licence="Apache-2.0",
    )
    drop, _ = dream(Lake(tmp_path / "lake"), GR1, job)
    found = find_clips(drop)
    assert (found.form, len(found.clips), found.refused) == ("manifest", 4, ())
    assert [clip.instruction for clip in found.clips] == ["reach ball 0"] * 2 + ["reach ball 1"] * 2
    made = found.clips[0].made
    assert made["prompt"] == "A robot. reach ball 0." and made["licence"] == "Apache-2.0"
    assert made["source_episode"] == f"{store.digest}:0" and made["sampler"]["steps"] == 1
    assert {"model", "adapter_sha256", "seed", "first_frame_sha256"} <= made.keys()
    other = made["other"]
    assert (other["frames"], other["size_px"], other["candidate"]) == (5, [32, 32], 0)
    assert len({line["seed"] for line in lines(drop)}) == len({line["sha256"] for line in lines(drop)}) == 4
    assert video.decode(found.clips[0].videos[""]).shape == (5, 32, 32, 3)
    fields = json.loads((drop / "job.json").read_text())
    assert fields["generator"] == "wan" and str(tmp_path) not in (drop / "job.json").read_text()


def test_a_seed_belongs_to_its_shot_and_not_to_its_place(wan: Path) -> None:
    first, second = shots(FirstFrames(count=2), Instructions(), GR1)
    seeds = {clip_seed(0, first, 0), clip_seed(0, first, 1), clip_seed(1, first, 0), clip_seed(0, second, 0)}
    assert len(seeds) == 4 and all(0 <= seed < 2**63 for seed in seeds)
    later = shots(FirstFrames(seed=500_001, tasks=("push",), count=1), Instructions(), GR1)
    assert clip_seed(0, later[0], 0) == clip_seed(0, second, 0)


def test_instructions_from_templates_and_files(tmp_path: Path) -> None:
    (tmp_path / "told.txt").write_text("# what to do\npush the {thing}\n\nreach the {thing}\n", encoding="utf-8")
    texts = tuple(lines_of(tmp_path / "told.txt"))
    frames = FirstFrames(count=3, tasks=("reach",))
    turns = shots(frames, Instructions(texts=texts), GR1)
    assert [shot.instruction.split(" the ")[0] for shot in turns] == ["push", "reach", "push"]
    assert all(shot.instruction.split(" the ")[1] in shot.things for shot in turns)
    every = shots(FirstFrames(count=1), Instructions(texts=texts, every=True), GR1)
    assert len(every) == 2 * len(every[0].things) == len({shot.instruction for shot in every})
    with pytest.raises(DreamError, match="holds no instruction"):
        (tmp_path / "empty.txt").write_text("\n# nothing\n")
        lines_of(tmp_path / "empty.txt")
    with pytest.raises(DreamError, match="cannot be read as text"):
        (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
        lines_of(tmp_path / "bad.txt")
    with pytest.raises(DreamError, match=r"has no \{instruction\}"):
        shots(frames, Instructions(prompt="a robot"), GR1)


def test_first_frames_from_photographs(tmp_path: Path, wan: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (90, 60), (200, 40, 40)).save(folder / "b.png")
    Image.new("RGB", (32, 32), (40, 200, 40)).save(folder / "a.jpg")
    (folder / "a.txt").write_text("pour the tea\n")
    with pytest.raises(DreamError, match=r"b\.png.* has no instruction"):
        shots(FirstFrames(source="images", path=str(folder)), Instructions(), GR1)
    (folder / "b.txt").write_text("wipe the table")
    assert source_of(Lake(tmp_path), str(folder)) == {"source": "images", "path": str(folder)}
    found = shots(FirstFrames(source="images", path=str(folder)), Instructions(), GR1)
    assert [shot.instruction for shot in found] == ["pour the tea", "wipe the table"]
    frames = FirstFrames(source="images", path=str(folder))
    drop, _ = dream(Lake(tmp_path), GR1, DreamJob(generator=str(wan), first_frames=frames, shape=SMALL, sampler=TOY))
    line = lines(drop)[1]
    assert line["image"] == "b.png" and line["licence"] == "unknown"
    shown = np.array(Image.open(drop / line["first_frame"]))
    assert shown.shape == (32, 32, 3) and shown[0].max() == 0 and shown[16, 16, 0] > 190  # bars keep its shape
    (folder / "c.png").write_bytes(b"no picture")
    (folder / "c.txt").write_text("reach")
    with pytest.raises(DreamError, match=r"c\.png: cannot be read as a picture"):
        dream(Lake(tmp_path), GR1, DreamJob(generator=str(wan), first_frames=frames, shape=SMALL, sampler=TOY))


def test_three_cameras_are_tiled_as_they_are_cut() -> None:
    one = np.full((2, 8, 10, 3), 50, dtype=np.uint8)
    grid = tile([one, 2 * one, 3 * one])
    assert grid.shape == (2, 16, 20, 3)
    assert [int(grid[0, y, x, 0]) for y, x in ((0, 0), (0, 10), (8, 0), (8, 10))] == [50, 100, 150, 0]
    with pytest.raises(DreamError, match="a grid shows three"):
        view_of(GR1, "grid_2x2")
    with pytest.raises(DreamError, match="no camera 'wrist'"):
        view_of(GR1, "wrist")


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (oracle(candidates=2), "would be copies; take 1"),
        (oracle(defects=("freeze",)), "give --from the simulator's store"),
        (oracle(instructions=Instructions(texts=("fly away",))), "the expert does what its scene asks for"),
        (oracle().model_copy(update={"shape": SMALL}), "draws square pictures at 20 fps"),
        (DreamJob(generator="nano"), "has no world_model_gr1 yet; run `gr00t dream train`"),
        (DreamJob(generator=str(NOWHERE / "wan")), "no such folder; models are read from this machine only"),
        (DreamJob(first_frames=FirstFrames(tasks=("fly",))), "no task 'fly'; choose from reach, push"),
        (DreamJob(generator=str(NOWHERE), defects=("freeze",)), "oracle's dreams only"),
        (DreamJob(first_frames=FirstFrames(source="images", path=str(NOWHERE))), "no such folder; give one with PNG"),
    ],
)
def test_jobs_that_are_refused_before_anything_is_made(tmp_path: Path, job: DreamJob, message: str) -> None:
    with pytest.raises(DreamError, match=message):
        plan_dream(Lake(tmp_path), GR1, job)
    assert not list(tmp_path.iterdir())


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(DreamError, match="frames: Input should be greater than or equal to 2"):
        job_named(Lake(NOWHERE), GR1, DreamSettings(sizes=Sizes(frames=1)))
    with pytest.raises(DreamError, match=r"the job: sampler\.steps: Input should be greater than or equal to 1"):
        job_of({}, ["sampler.steps=0"])


def test_a_defect_is_planted_into_a_recorded_roll_out(tmp_path: Path) -> None:
    store = sealed(tmp_path / "stores/simulator", [record_episode("reach", 3, 64)])
    frames = FirstFrames(source="store", path=str(store.root))
    shape = ClipShape(frames=140, fps=20, height=64, width=64)
    drop, _ = dream(Lake(tmp_path), GR1, DreamJob(first_frames=frames, shape=shape, defects=("freeze",)))
    (line,) = lines(drop)
    assert line["defect"]["name"] == "freeze" and line["licence"] == "Apache-2.0"
    first, end = line["defect"]["frames"]
    shown = video.decode(drop / line["file"]).astype(int)
    assert np.abs(shown[first + 1 : end] - shown[first]).mean() < 1 < np.abs(shown[-1] - shown[0]).mean()


def test_a_dream_of_another_object_says_the_other_object(tmp_path: Path) -> None:
    store = sealed(tmp_path / "stores/simulator", [record_episode("reach", 3, 64)])
    frames = FirstFrames(source="store", path=str(store.root))
    shape = ClipShape(frames=140, fps=20, height=64, width=64)
    drop, _ = dream(Lake(tmp_path), GR1, DreamJob(first_frames=frames, shape=shape, defects=("wrong_object",)))
    (line,) = lines(drop)
    assert line["defect"]["name"] == "wrong_object" and line["prompt"] == store.row(0).instruction
    assert line["instruction"] not in ("", store.row(0).instruction)


KILLED = """
from pathlib import Path
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_model.dream.job import DreamJob
from gr00t_model.stages.dream import dream
dream(Lake(Path({lake!r})), load_embodiment("gr1"), DreamJob.model_validate_json({job!r}))
"""


def test_a_killed_job_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL in the middle: no drop is seen, what was finished stays, the rest is made, bytes are as without it."""
    lake, job = tmp_path / "lake", oracle(6)
    program = KILLED.format(lake=str(lake), job=job.model_dump_json())
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(lake.glob("dreams/.*.partial/.clips/[0-9]*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (partial,) = lake.glob("dreams/.*.partial")
    finished = {path.name: path.stat().st_mtime_ns for path in (partial / ".clips").glob("[0-9]*.json")}
    assert 2 <= len(finished) < 6
    assert [path.name for path in (lake / "dreams").iterdir() if not path.name.startswith(".")] == []
    made: list[int] = []
    drop, digest = dream(Lake(lake), GR1, job, progress=lambda done, total: made.append(done))
    assert made == [1, 2, 3, 4, 5, 6] and len(lines(drop)) == 6 and not partial.exists()
    kept = {path.name: path.stat().st_mtime_ns for path in (drop / ".clips").glob("[0-9]*.json")}
    assert {name: kept[name] for name in finished} == finished
    assert dream(Lake(tmp_path / "other"), GR1, job)[1] == digest
