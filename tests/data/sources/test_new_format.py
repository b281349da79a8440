"""A format of raw recordings is one new file and one line: added to a copy of the project, which then ingests it."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np

from gr00t_data.sources.reader import FORMATS, readers
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from tests.data.sources.rig import RIG

ROOT = Path(__file__).parents[3]
FORMAT = '''"""One CSV an episode, a column a number; the video of the same name lies beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.formats.beside import video_beside
from gr00t_data.sources.recordings.binding import Samples, bound_parts, camera_of
from gr00t_data.sources.recordings.clocks import ticks
from gr00t_data.sources.recordings.mapping import CameraSource, Mapping, PartSource
from gr00t_data.sources.recordings.propose import Found
from gr00t_data.sources.recordings.reader import Recordings
from gr00t_data.sources.recordings.streams import RawEpisode


class Csv(Recordings):
    """See ``Recordings``."""

    name = "CSV"

    def recognises(self, drop: Path) -> bool:
        return any(drop.glob("*.csv"))

    def episode_names(self, drop: Path) -> list[str]:
        return sorted(path.name for path in drop.glob("*.csv"))

    def read_episode(self, drop: Path, mapping: Mapping, embodiment: Embodiment, name: str) -> RawEpisode:
        table = np.genfromtxt(drop / name, delimiter=",", names=True)
        times_ns = ticks(0, len(table), mapping.hz)

        def samples(_: str, source: PartSource) -> Samples:
            columns = [column for column in table.dtype.names if column.startswith(source.key)]
            return Samples(times_ns, np.stack([table[column] for column in columns], axis=1))

        sides = bound_parts(mapping, embodiment, samples)
        frames, _ = video_beside(drop / name, mapping.cameras["front_view"].file, Path(name).stem)
        camera = camera_of(mapping.cameras["front_view"], "front_view", embodiment, times_ns, frames)
        return RawEpisode(name, sides["state"], sides["action"], {"front_view": camera}, "press the button")

    def contents(self, drop: Path) -> list[Found]:
        return [Found("arm", 3), Found("gripper", 1)]

    def propose(self, held: Sequence[Found], embodiment: Embodiment) -> Mapping:
        parts = {"arm": PartSource(key="arm"), "gripper": PartSource(key="gripper")}
        cameras = {"front_view": CameraSource(file="{episode}.mp4")}
        return Mapping(format=self.name, hz=20, cameras=cameras, state=parts, action=parts)


READER = Csv()
'''


def recorded(drop: Path, rows: int) -> None:
    """An episode as that format has it."""
    drop.parent.mkdir(exist_ok=True)
    values = np.linspace(0, 1, rows)[:, None] * np.ones(4)
    np.savetxt(drop.with_suffix(".csv"), values, delimiter=",", header="arm_1,arm_2,arm_3,gripper", comments="")
    frames = np.random.default_rng(rows).integers(0, 255, (rows, 32, 32, 3), dtype=np.uint8)
    video.encode(drop.with_suffix(".mp4"), frames, 20)


def test_a_format_is_one_file_and_one_line(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("gr00t_data", "gr00t_model", "schemas"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "gr00t_data/sources/formats/csv_rows.py").write_text(FORMAT)
    registry = copy / "gr00t_data/sources/reader.py"
    lines = registry.read_text().splitlines(keepends=True)
    lines.insert(lines.index("FORMATS = (\n") + 1, '    "gr00t_data.sources.formats.csv_rows",\n')
    registry.write_text("".join(lines))
    (tmp_path / "rig.yaml").write_text(RIG)
    for number, rows in enumerate((9, 12)):
        recorded(tmp_path / f"drop/take_{number}", rows)

    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["gr00t"].partition(
        ":"
    )
    command = [sys.executable, "-c", f"from {module} import {function}; {function}()", "ingest", tmp_path / "drop"]
    options = ["--embodiment", tmp_path / "rig.yaml", "--lake", tmp_path / "lake", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    run = subprocess.run([*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    store = EpisodeStore.open(tmp_path / "lake/stores/drop")
    assert store.sealed and store.about.source.format == "CSV"
    assert [row.length for row in store.rows] == [9, 12]


def test_every_format_has_a_reader_with_a_name_of_its_own() -> None:
    names = [reader.name for reader in readers()]
    assert len(set(names)) == len(FORMATS)
