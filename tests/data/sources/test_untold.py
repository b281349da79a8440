"""Drops that do not say what the robot was asked to do: asked about before anything is encoded, and told."""

import json
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.lerobot.convert import convert
from gr00t_data.progress import silent
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.landing.kinds import ingest_as
from gr00t_data.sources.landing.marker import said_in
from gr00t_data.sources.told import Told
from gr00t_data.sources.untold import UntoldError, require_instruction
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import GR1, episode, sealed, unsealed

SAID = "wipe the table"
KEY = GR1.language_column


@pytest.fixture
def mute(tmp_path: Path) -> Path:
    """Two episodes under the empty text, as a recorder writes it to whom nobody gave one."""
    return unsealed(sealed(tmp_path / "mute", [episode(20, n, instruction="") for n in range(2)])).root


@pytest.mark.parametrize("how", ["empty", "no list", "v3.0", "v3.0 without a list"])
def test_a_set_without_texts_is_asked_about_and_told(mute: Path, tmp_path: Path, how: str) -> None:
    if how == "no list":
        (mute / "meta/tasks.jsonl").unlink()
        lines = [json.loads(line) | {"tasks": []} for line in (mute / "meta/episodes.jsonl").read_text().splitlines()]
        (mute / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    drop = mute
    if how.startswith("v3.0"):
        convert(mute, drop := tmp_path / "v3", "v3.0", silent)
    if how.endswith("without a list"):
        (drop / "meta/tasks.parquet").unlink()
    with pytest.raises(UntoldError, match=r"none of its episodes says what the robot was asked to do; give --instr"):
        require_instruction(drop, GR1, None, Told())
    told, lake = Told(instruction=SAID), Lake(tmp_path / "lake")
    require_instruction(drop, GR1, None, told)
    store = ingest(drop, GR1, lake, name="s", told=told)
    assert [store.texts(n, KEY) for n in range(2)] == [(SAID, ())] * 2
    assert [row.tasks for row in store.rows] == [(SAID,)] * 2 and store.about.source.instruction == SAID
    store.verify()
    assert ingest(drop, GR1, lake, name="s", told=told).digest == store.digest
    with pytest.raises(StoreError, match="another instruction"):
        ingest(drop, GR1, lake, name="s", told=Told(instruction="fold the cloth"))


def test_only_what_lacks_a_text_gets_it(tmp_path: Path) -> None:
    texts = (episode(20, 1, instruction="pick the pear"), episode(20, 2, instruction="", text_changes=((5, "lift"),)))
    drop = unsealed(sealed(tmp_path / "drop", texts)).root
    require_instruction(drop, GR1, None, Told())
    store = ingest(drop, GR1, Lake(tmp_path / "lake"), name="s", told=Told(instruction=SAID))
    assert [store.texts(n, KEY) for n in range(2)] == [("pick the pear", ()), (SAID, ((5, "lift"),))]
    assert [row.tasks for row in store.rows] == [("pick the pear",), (SAID, "lift")]
    assert EpisodeStore.open(drop).texts(1, KEY) == ("", ((5, "lift"),))


def test_in_the_landing_the_marker_says_it(mute: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    options = {"name": "mute", "licence": "unknown", "progress": silent}
    with pytest.raises(UntoldError, match=r"write `instruction: TEXT` into its marker _SUCCESS"):
        ingest_as("real", mute, GR1, lake, **options)
    assert not (lake.stores / "mute").exists()
    told = said_in(f"instruction: {SAID}".encode(), "_SUCCESS").told
    assert ingest_as("real", mute, GR1, lake, told=told, **options).texts(0, KEY) == (SAID, ())
