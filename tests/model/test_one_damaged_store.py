"""One damaged store, manifest, index or checkpoint: everything else of the lake goes on, and says what was left out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gr00t_data.disk import read_json
from gr00t_data.lake import Lake
from gr00t_data.stages.stores import checked_stores, damaged_stores, sealed_stores
from gr00t_data.store.store import StoreError
from gr00t_model.lineage.lineage import of_episode
from gr00t_model.retrain.retrain import Retraining, decide
from tests.model.service_lake import GR1, copy_of
from tests.shell import invoke


@pytest.fixture
def lake(good_and_bad: Lake, tmp_path: Path) -> Lake:
    return copy_of(good_and_bad, tmp_path)


def written(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda store: (store / name).write_bytes(content)


def line_of(name: str, content: bytes) -> Callable[[Path], object]:
    """One line of a file replaced."""

    def change(store: Path) -> None:
        lines = (store / name).read_bytes().splitlines()
        (store / name).write_bytes(b"\n".join([lines[0], content, *lines[2:]]))

    return change


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut line of episodes": line_of("meta/episodes.jsonl", b'{"episode_index": 1, "len'),
    "list in episodes": line_of("meta/episodes.jsonl", b"[1]"),
    "number in episodes": line_of("meta/episodes.jsonl", b'{"episode_index": "one", "length": 3, "tasks": []}'),
    "no length": line_of("meta/episodes.jsonl", b'{"episode_index": 1, "tasks": []}'),
    "tasks that are none": line_of("meta/episodes.jsonl", b'{"episode_index": 1, "length": 3, "tasks": null}'),
    "infinite length": line_of("meta/episodes.jsonl", b'{"episode_index": 1, "length": 1e999, "tasks": []}'),
    "source of another type": line_of(
        "meta/episodes.jsonl", b'{"episode_index": 1, "length": 3, "tasks": [], "source": 3}'
    ),
    "latin-1 in episodes": line_of("meta/episodes.jsonl", b'{"episode_index": 1, "caf\xe9": 1}'),
    "deep episodes": line_of("meta/episodes.jsonl", b"[" * 100_000),
    "tasks": written("meta/tasks.jsonl", b"{}\n"),
    "no tasks": lambda store: (store / "meta/tasks.jsonl").unlink(),
    "no episodes": lambda store: (store / "meta/episodes.jsonl").unlink(),
    "info": written("meta/info.json", b"{"),
    "deep info": written("meta/info.json", b"[" * 100_000),
    "info of another version": written("meta/info.json", b'{"codebase_version": "v9"}'),
    "features": written("meta/info.json", b'{"codebase_version": "v2.1", "fps": 20, "features": {"action": 3}}'),
    "fps": written("meta/info.json", b'{"codebase_version": "v2.1", "fps": "fast", "features": {}}'),
    "about": written("meta/about.json", b"\xff"),
    "about of another type": written("meta/about.json", b'{"embodiment": 3}'),
    "modality": written("meta/modality.json", b'{"video": {"ego_view": "x"}}'),
    "modality list": written("meta/modality.json", b'{"video": ["ego_view"]}'),
    "seal": written("meta/seal.json", b""),
    "seal without digest": written("meta/seal.json", b"{}"),
    "seal that is a list": written("meta/seal.json", b"[]"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_the_others_are_listed_measured_mixed_and_traced(lake: Lake, name: str, caplog) -> None:
    DAMAGE[name](lake.stores / "bad")
    assert list(damaged_stores(lake)) == ["bad"]
    assert [store.root.name for store in sealed_stores(lake, GR1)] == ["good"]
    assert "store bad is left out" in caplog.text
    for words in (["stats"], ["mix"], ["mix", "preview"]):
        done = invoke([*words, "--lake", lake.root, "--json"])
        assert done.exit_code == 0, done.output
        assert list(json.loads(done.stdout)["left out"]) == ["bad"]
    rows = of_episode(lake, "good/0")
    assert ("unreadable store", "bad") in {(row.what, row.name) for row in rows}
    assert {"store", "manifest"} <= {row.what for row in rows}
    decision = decide(lake, GR1, Retraining(1, 0.0), {}, 0.0)
    assert decision.train and decision.new_episodes >= 4
    again = decide(lake, GR1, Retraining(1, 0.0), decision.memory, 0.0)
    assert again.content == decision.content


def test_a_store_named_in_full_is_an_error(lake: Lake) -> None:
    DAMAGE["info"](lake.stores / "bad")
    with pytest.raises(StoreError, match=r"bad/meta/info\.json"):
        checked_stores(lake, GR1, ["bad"])
    assert invoke(["stats", "--lake", lake.root, "--stores", "bad"]).exit_code == 2
    shutil.rmtree(lake.stores / "good")
    with pytest.raises(StoreError, match=r"left out: .*bad"):
        checked_stores(lake, GR1)


def test_retraining_says_what_it_leaves_out_and_looks_again(lake: Lake) -> None:
    info = (lake.stores / "bad/meta/info.json").read_bytes()
    DAMAGE["info"](lake.stores / "bad")
    first = decide(lake, GR1, Retraining(1, 0.0), {}, 0.0)
    assert first.new_episodes == 4 and "store bad is left out" in first.reason
    (lake.stores / "bad/meta/info.json").write_bytes(info)
    second = decide(lake, GR1, Retraining(1, 0.0), json.loads(json.dumps(first.memory)), 0.0)
    assert second.new_episodes == 8 and "left out" not in second.reason


def test_a_damaged_store_without_verdicts_is_not_waited_for(lake: Lake) -> None:
    digest = read_json(lake.stores / "bad/meta/seal.json")["digest"]
    for index in lake.index.glob(f"{digest[:16]}-*"):
        index.unlink()
    assert "not every store is checked yet: bad" in decide(lake, GR1, Retraining(1, 0.0), {}, 0.0).reason
    DAMAGE["cut line of episodes"](lake.stores / "bad")
    assert decide(lake, GR1, Retraining(1, 0.0), {}, 0.0).train


def test_a_damaged_index_stops_its_own_store_only(lake: Lake) -> None:
    digest = read_json(lake.stores / "bad/meta/seal.json")["digest"]
    for index in lake.index.glob(f"{digest[:16]}-*"):
        index.write_text("")
    assert decide(lake, GR1, Retraining(1, 0.0), {}, 0.0).new_episodes == 4
    assert "cannot be read" in next(row.how for row in of_episode(lake, "bad/0") if row.what == "store")
    assert invoke(["mix", "--lake", lake.root]).exit_code == 0  # checked again
    assert decide(lake, GR1, Retraining(1, 0.0), {}, 0.0).new_episodes == 8


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff"])
def test_a_damaged_manifest_or_checkpoint_stops_no_lineage(lake: Lake, content: bytes) -> None:
    (lake.mixtures / "0123456789abcdef.json").write_bytes(content)
    (lake.checkpoints / "broken").mkdir(parents=True)
    for name in ("versions.json", "train_config.json", "episodes.json", "manifest.json"):
        (lake.checkpoints / "broken" / name).write_bytes(content)
    done = invoke(["lineage", "good/0", "--lake", lake.root, "--json"])
    assert done.exit_code == 0, done.output
    rows = {(row["what"], row["name"]) for row in json.loads(done.stdout)["rows"]}
    assert {("unreadable manifest", "0123456789abcdef"), ("unreadable checkpoint", "broken")} <= rows
    assert ("store", "good") in rows
