"""Instructions: garbled, inconsistent, under the wrong name, or of another task than the motion."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.compare.instruction_match import against_colours, against_directions, against_motion, words_of
from gr00t_data.curate.compare.language import check_language, explain_annotation
from gr00t_data.curate.compare.origin import check_origin
from gr00t_data.curate.copies.duplicates import Contents
from gr00t_data.curate.copies.fingerprints import Fingerprint, fingerprint
from gr00t_data.curate.finding import Finding
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_parquet, change_row, sealed, unsealed
from tests.data.curate.moving import moving_episode, moving_store


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return moving_store(tmp_path_factory.mktemp("eight") / "s", 8)


@pytest.fixture
def store(eight: EpisodeStore, tmp_path: Path) -> EpisodeStore:
    return EpisodeStore.open(shutil.copytree(eight.root, tmp_path / "s"))


def by_episode(store: EpisodeStore, known: Sequence[Fingerprint] = ()) -> dict[int | None, list[Finding]]:
    """Findings by episode number, those about the store by None."""
    found: dict[int | None, list[Finding]] = {}
    for index, finding in check_language(Contents(EpisodeStore.open(store.root), GR1, known)):
        found.setdefault(index, []).append(finding)
    return found


def of_store(store: EpisodeStore) -> list[Finding]:
    return by_episode(store).get(None, [])


def fingerprints(store: EpisodeStore) -> list[Fingerprint]:
    return [one for row in store.rows if (one := fingerprint(store, row.index, GR1)) is not None]


def test_good_instructions(store: EpisodeStore) -> None:
    assert by_episode(store, fingerprints(store)) == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("pick up the", "ends with 'the'"),
        ("episode_000003.hdf5", "is the name of a file"),
        ("/data/run7/cam", "is the name of a file"),
        ("prendre la poÃªle", "one encoding"),
        ("dont\ufffd touch the pan", "one encoding"),
    ],
)
def test_garbled(tmp_path: Path, text: str, fault: str) -> None:
    store = sealed(tmp_path / "s", [moving_episode(0, instruction=text), moving_episode(1)])
    found = by_episode(store)
    assert [f.code for f in found[0]] == ["TEXT-04"] and fault in found[0][0].message and 1 not in found


@pytest.mark.parametrize(
    "text", ["turn the switch on/off", "拿起红色方块", "déplacer la poêle", "move to position 2.5"]
)
def test_unusual_but_good(tmp_path: Path, text: str) -> None:
    store = sealed(tmp_path / "s", [moving_episode(0, instruction=text), moving_episode(1)])
    assert by_episode(store) == {}


def test_rows_that_change_the_instruction(store: EpisodeStore) -> None:
    position = store.columns(2).columns.index(GR1.language_column)
    halves = [[2] * 15 + [0] * 15]
    change_parquet(store, 2, lambda table: table.set_column(position, GR1.language_column, halves))
    (finding,) = by_episode(store)[2]
    assert finding.code == "TEXT-05" and "its rows point at 2 instructions" in finding.message


def test_where_every_episode_changes_it_that_is_how_the_set_was_made(store: EpisodeStore) -> None:
    position = store.columns(0).columns.index(GR1.language_column)
    halves = [[2] * 15 + [0] * 15]
    for index in range(8):
        change_parquet(store, index, lambda table: table.set_column(position, GR1.language_column, halves))
    assert "TEXT-05" not in {f.code for found in by_episode(store).values() for f in found}


def test_rows_that_change_between_the_listed_instructions_are_no_fault(store: EpisodeStore) -> None:
    position = store.columns(2).columns.index(GR1.language_column)
    halves = [[2] * 15 + [0] * 15]
    change_parquet(store, 2, lambda table: table.set_column(position, GR1.language_column, halves))
    assert by_episode(change_row(store, 2, tasks=[store.tasks[2], store.tasks[0]])) == {}


def test_lists_disagree(store: EpisodeStore) -> None:
    changed = change_row(store, 1, tasks=["wave", "valid"])
    (finding,) = by_episode(changed)[1]
    assert finding.code == "TEXT-06" and "lists 'wave', its rows point at 'push the green" in finding.message


def test_one_for_all_is_worth_knowing(tmp_path: Path) -> None:
    (finding,) = of_store(moving_store(tmp_path / "s", 3, instruction="push the square"))
    assert (finding.code, finding.severity) == ("TEXT-07", "info")


def test_tasks_listed_twice(store: EpisodeStore) -> None:
    path = unsealed(store).root / "meta/tasks.jsonl"
    before = path.read_text()
    path.write_text(before + json.dumps({"task_index": 90, "task": "Push the red square, to the LEFT."}) + "\n")
    (finding,) = of_store(store)
    assert finding.code == "TEXT-08" and "lists one instruction 2 times" in finding.message
    path.write_text(before + json.dumps({"task_index": 0, "task": "wave"}) + "\n")
    assert "gives number 0 to 2 texts" in of_store(store)[0].message


def test_the_wrong_key_is_explained(store: EpisodeStore) -> None:
    path = unsealed(store).root / "meta/modality.json"
    modality = json.loads(path.read_text())
    modality["annotation"] = {"human.coarse_action": {"original_key": GR1.language_column}}
    path.write_text(json.dumps(modality))
    warning = next(f for f in of_store(store) if f.severity == "warning")
    assert warning.code == "TEXT-09" and "asks for 'annotation.human.action.task_description'" in warning.message
    assert "offers 'annotation.human.coarse_action'; the names differ, not the data" in warning.message
    assert f'add "human.action.task_description": {{"original_key": "{GR1.language_column}"}}' in warning.message


def test_annotations_as_the_loader_resolves_them() -> None:
    columns = ["annotation.human.task", "action"]
    assert explain_annotation({"human.task": {}}, columns, "annotation.human.task") is None
    named = {"human.coarse_action": {"original_key": "annotation.human.task"}}
    assert explain_annotation(named, columns, "annotation.human.coarse_action") is None
    missing = explain_annotation({"human.validity": {}}, columns, "annotation.human.validity")
    assert missing is not None and "leads to column 'annotation.human.validity', the rows hold" in missing


def test_words() -> None:
    assert words_of("Push the red square; THE red one, 2 cm!") == ("push", "the", "red", "square", "one", "cm")


def test_a_colour_that_is_not_there(store: EpisodeStore) -> None:
    texts = {row.index: row.instruction for row in store.rows}
    taken = fingerprints(store)
    assert against_colours(texts, taken) == {} and against_directions(texts, taken) == {}
    texts[3] = texts[3].replace("yellow", "blue")
    assert against_colours(texts, taken) == {3: "names blue; nothing of that colour is in the first picture"}


def test_a_direction_that_it_did_not_take(store: EpisodeStore) -> None:
    texts = {row.index: row.instruction for row in store.rows}
    texts[1] = texts[1].replace("right", "left")
    (reason,) = against_directions(texts, fingerprints(store)).values()
    assert reason.startswith("says 'left'; what is green went right by ")


def test_rules_that_explain_little_are_silent(store: EpisodeStore) -> None:
    turned = {"left": "right", "right": "left"}
    texts = {r.index: " ".join(turned.get(w, w) for w in r.instruction.split()) for r in store.rows}
    assert against_directions(texts, fingerprints(store)) == {}
    assert against_colours(dict.fromkeys(range(8), "push the purple square"), fingerprints(store)) == {}


def test_an_instruction_of_another_task() -> None:
    def taken(number: int, grasps: bool) -> Fingerprint:
        generator = np.random.default_rng(number)
        rows = np.linspace(0, 1, 60 if grasps else 30)[:, None] * generator.normal(0.4, 0.05, 10)
        rows[:, 5:] *= np.sin(np.linspace(0, 3, len(rows)))[:, None] if grasps else 0.02
        return Fingerprint(("s", number), str(number), rows.astype(np.float32))

    every = [taken(number, number % 2 == 0) for number in range(20)]
    texts = {n: "grasp the cup" if n % 2 == 0 else "touch the cup" for n in range(20)}
    assert against_motion(texts, every) == {}
    swapped = texts | {4: "touch the cup", 7: "grasp the cup"}
    assert set(against_motion(swapped, every)) == {4, 7}
    chance = {n: f"{'grasp' if np.random.default_rng(n).random() < 0.5 else 'touch'} the cup" for n in range(20)}
    assert against_motion(chance, every) == {}


def test_simulated_but_called_real(tmp_path: Path) -> None:
    made = [moving_episode(0), moving_episode(1, source={"simulator": "tabletop", "seed": 3})]
    (found,) = check_origin(Contents(sealed(tmp_path / "s", made, kind="real"), GR1))
    assert found[0] == 1 and "ingest it with --kind simulated" in found[1].message
    simulated = sealed(tmp_path / "t", [replace(one) for one in made], kind="simulated")
    assert list(check_origin(Contents(simulated, GR1))) == []
