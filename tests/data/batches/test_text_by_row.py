"""A text belongs to rows: from a drop whose rows point at two tasks to the prompt of every sample."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest, SampleId
from gr00t_data.batches.mixture.preview import preview
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.curate.report import write_report
from gr00t_data.lake import Lake
from gr00t_data.lerobot.convert import convert
from gr00t_data.progress import silent
from gr00t_data.sources.ingest import ingest
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_info, change_parquet, episode, sealed

PICK, PUT = "pick up the red cube", "put the cube in the box"
KEY = GR1.language_column


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """LeRobot v2.1 as its own writer leaves it: rows point at tasks, and there is no annotation column."""
    episodes = [episode(20 + 2 * n, n, instruction=PICK, text_changes=((10 + n, PUT),)) for n in range(3)]
    store = sealed(tmp_path / "drop", [*episodes, episode(20, 7, instruction=PUT)])
    for row in store.rows:
        change_parquet(store, row.index, lambda table: table.drop_columns([KEY]))
    change_info(store, features={name: facts for name, facts in store.info["features"].items() if name != KEY})
    return store.root


def test_every_sample_is_under_the_text_of_its_row(drop: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    store = ingest(drop, GR1, lake, name="tasks")
    index = build_index(store, GR1, lake.index)
    assert not {"TEXT-03", "TEXT-05", "TEXT-12"} & {code for verdict in index.verdicts for code in verdict.codes}
    made = build_manifest("m", GR1, [(store, index, 1.0)], held_out_share=0.0)
    made.save(path := tmp_path / "m.json")
    manifest = MixtureManifest.load(path)
    assert manifest == made and manifest.sources[0].episodes[0].told == f"0-9: {PICK}; 10-19: {PUT}"
    assert preview(manifest, 20).tasks == {PICK: 33 / 86, PUT: 53 / 86}
    told: list[str] = []

    def tokens(texts: list[str], images: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
        told.extend(texts)
        return np.ones((len(texts), 1), np.int64), np.ones((len(texts), 1), np.int64)

    options = {"batch_size": 4, "max_state_dim": 64, "max_action_dim": 32, "horizon": 16, "order": "clips"}
    loader = Loader(
        [Member(manifest, measure([(store, index)], GR1), GR1)], image_size=(8, 8), tokenize=tokens, **options
    )
    path = write_report(tmp_path / "r.html", store, GR1, index.findings, index.verdicts)
    page = path.read_text()
    assert f'{PICK} <span class="quiet">frames 0-9</span><br>{PUT} <span class="quiet">frames 10-19</span>' in page
    first = page[page.index('id="episode-0"') : page.index('id="episode-1"')]
    assert re.findall('title="(p[^"]*)" src', first) == [PICK] * 3 + [PUT] * 3
    samples = [SampleId(0, n, frame) for n, rows in enumerate((20, 22, 24, 20)) for frame in range(rows)]
    loader.batch_of(samples)
    loader.close()
    rows = [(n, frame) for _, n, frame, _ in samples]
    assert told == [PICK if n < 3 and frame < 10 + n else PUT for n, frame in rows]


def test_converted_to_v3_and_back_every_row_keeps_its_task(drop: Path, tmp_path: Path) -> None:
    convert(drop, tmp_path / "v3", "v3.0", silent)
    rows = parquet.read_table(tmp_path / "v3/data/chunk-000/file-000.parquet")
    expected = [
        1 if n == 3 or frame >= 10 + n else 0 for n, count in enumerate((20, 22, 24, 20)) for frame in range(count)
    ]
    assert rows["task_index"].to_pylist() == expected
    convert(tmp_path / "v3", tmp_path / "back", "v2.1", silent)
    back = EpisodeStore.open(tmp_path / "back")
    assert [back.texts(n, KEY) for n in range(4)] == [(PICK, ((10 + n, PUT),)) for n in range(3)] + [(PUT, ())]
    taken = ingest(tmp_path / "v3", GR1, Lake(tmp_path / "lake"), name="v3")
    assert [taken.texts(n, KEY) for n in range(4)] == [back.texts(n, KEY) for n in range(4)]


def test_subtasks_in_a_table_of_their_own(drop: Path, tmp_path: Path) -> None:
    """LeRobot 0.4.4: ``subtask_index`` counts the lines of meta/subtasks.parquet; v3.0 keeps both."""
    store = EpisodeStore.open(drop)
    for row in store.rows:
        numbers = pa.array(np.repeat([1, 0], [5, row.length - 5]))
        change_parquet(store, row.index, lambda table, n=numbers: table.append_column("subtask_index", n))
    parquet.write_table(pa.table({"subtask": ["lift it", "reach for it"]}), drop / "meta/subtasks.parquet")
    convert(drop, tmp_path / "v3", "v3.0", silent)
    taken = ingest(tmp_path / "v3", GR1, Lake(tmp_path / "lake"), name="v3")
    assert taken.texts(0, "subtask_index") == ("reach for it", ((5, "lift it"),))
    assert taken.texts(0, "task_index") == (PICK, ((10, PUT),))


def test_a_column_of_texts_and_numbers_that_name_nothing(drop: Path) -> None:
    store = EpisodeStore.open(drop)
    words = ["reach"] * 8 + [None] * 2 + ["lift"] * 10
    change_parquet(store, 0, lambda table: table.append_column("annotation.human.subtask", pa.array(words)))
    assert store.texts(0, "annotation.human.subtask") == ("reach", ((8, ""), (10, "lift")))
    change_parquet(store, 1, lambda table: table.append_column("annotation.human.subtask", pa.array([0] * 21 + [9])))
    assert store.texts(1, "annotation.human.subtask") == (PICK, ((21, ""),))


def test_texts_of_one_row_only_and_of_an_older_manifest() -> None:
    entry = EpisodeEntry(0, 5, ((0, 5),), "a", ((1, "b"), (2, "a"), (4, "c")))
    assert [entry.text_at(frame) for frame in range(5)] == ["a", "b", "a", "a", "c"]
    assert entry.frames_by_text() == {"a": 3, "b": 1, "c": 1} and entry.texts == ("a", "b", "c")
    assert EpisodeEntry(0, 5, ((0, 5),), "a").text_at(4) == "a"
