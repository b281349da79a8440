"""A participant withdraws: indexes, mixtures and runs let go of the clips, and lineage names what has seen them."""

import json
from pathlib import Path

import pytest

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.curate.index import load_index
from gr00t_data.curate.withdrawn import CODE
from gr00t_data.disk import write_json
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import MixtureSettings
from gr00t_data.stages.stores import check, sealed_stores
from gr00t_data.store.provenance import EpisodeSource, StoreSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_data.terms.purge import purge
from gr00t_data.terms.withdrawal import FILE, Withdrawal, WithdrawalError, add, read
from gr00t_model.lineage.chain import LineageError
from gr00t_model.lineage.people import ConsentError, learned_from, of_participant, require_consent
from gr00t_model.lineage.record import Settings, chain_of
from gr00t_model.loop.stop import StopRequest
from gr00t_model.release.history import release
from gr00t_model.stages.release import starting_settings
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.service_lake import GR1, add_store, tiny_config, train_tiny
from tests.model.tiny import episode
from tests.shell import invoke

WHO = {0: "P07", 1: "P07", 2: "P08", 3: "P07"}


def add_people(lake: Lake, name: str, numbers: range, dataset: str = "folder", **told: dict[int, str]) -> EpisodeStore:
    """A checked store whose episodes are of the participants of ``WHO``; ``told``: fact -> episode -> value."""
    from dataclasses import replace

    writer = StoreWriter.create(
        lake.stores / name, GR1, kind="real", licence="CC-BY-4.0", source=StoreSource(drop=name)
    )
    for number in numbers:
        person = {"participant": WHO.get(number, "P09"), "dataset": dataset, "video": f"{name}-{number}"}
        person |= {fact: values[number] for fact, values in told.items()}
        writer.append(replace(episode(number), source=EpisodeSource.model_validate(person)))
    store = writer.seal()
    check(lake, store, GR1)
    return store


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two stores, a mixture of both, and a checkpoint that has seen it."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_people(lake, "people", range(4))
    add_store(lake, "robot", range(4, 8))
    train_tiny(lake)
    return lake


@pytest.fixture
def lake(trained: Lake, tmp_path: Path) -> Lake:
    """A copy whose withdrawals stay its own."""
    import shutil

    shutil.copytree(trained.root, tmp_path / "lake")
    return Lake(tmp_path / "lake")


def run(lake: Lake, *arguments: str) -> dict:
    result = invoke([*arguments, "--lake", str(lake.root), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def episodes_in(manifest: MixtureManifest) -> dict[str, set[int]]:
    return {Path(s.store).name: {entry.index for entry in s.episodes} for s in manifest.sources}


def test_lineage_of_a_participant_names_clips_mixture_and_checkpoint(lake: Lake) -> None:
    rows = run(lake, "lineage", "--participant", "P07")["rows"]
    assert [row["name"] for row in rows if row["what"] == "clip"] == ["people/0", "people/1", "people/3"]
    assert all(row["how"].startswith("accepted; follow the") for row in rows if row["what"] == "clip")
    (manifest,) = [row for row in rows if row["what"] == "manifest"]
    assert manifest["name"].startswith("mixture_gr1") and "of people" in manifest["how"]
    (checkpoint,) = [row for row in rows if row["what"] == "checkpoint"]
    assert Path(checkpoint["path"]).name.startswith("gr1") or Path(checkpoint["path"]).is_dir()
    drawn = {
        (e["store"], e["episode"])
        for e in json.loads((Path(checkpoint["path"]) / "episodes.json").read_text())["episodes"]
    }
    digest = EpisodeStore.open(lake.stores / "people").digest
    seen = sum((digest, number) in drawn for number in (0, 1, 3))
    assert f"{seen} episodes drawn" in checkpoint["how"] or (seen == 0 and "never drawn" in checkpoint["how"])


def test_nobody_of_that_name_is_an_error(lake: Lake) -> None:
    with pytest.raises(LineageError, match="'P99'"):
        of_participant(lake, "P99")
    result = invoke(["lineage", "--lake", str(lake.root)])
    assert result.exit_code == 2 and "--participant" in result.output


def test_withdrawal_reaches_index_mixture_and_names_what_saw_them(lake: Lake) -> None:
    told = run(lake, "withdraw", "P07", "--reason", "mail of 3 May")
    assert told["clips rejected"] == 3 and told["indexes rewritten"] == 1
    assert told["mixtures that hold them"] == 1 and told["checkpoints that saw them"] == 1
    store = EpisodeStore.open(lake.stores / "people")
    store.verify()  # sealed data is not rewritten
    (file,) = lake.index.glob(f"{store.digest[:16]}-*.json")
    verdicts = {v.episode_index: v for v in load_index(file).verdicts}
    assert [verdicts[n].accepted for n in range(4)] == [False, False, True, False]
    assert CODE in verdicts[0].codes and verdicts[0].keep == () and "mail of 3 May" in verdicts[0].findings[-1].message
    measure_statistics(lake, GR1)
    manifest, _ = mix(lake, GR1, MixtureSettings(held_out_share=0.3))
    assert episodes_in(manifest) == {"people": {2}, "robot": {0, 1, 2, 3}}
    rows = run(lake, "lineage", "--participant", "P07")["rows"]
    assert {row["how"] for row in rows if row["what"] == "clip"} == {
        f"rejected: {CODE}; {store.row(n).instruction}" for n in (0, 1, 3)
    }
    assert sum(row["what"] == "manifest" for row in rows) == 1  # the old one; the new one does not hold them


def test_an_index_from_before_is_not_believed(lake: Lake) -> None:
    """The list alone decides: it was written by hand, or the indexes came back from a copy."""
    (lake.root / FILE).write_text("- participant: P07\n  at: '2026-05-03T10:00:00+00:00'\n")
    store = EpisodeStore.open(lake.stores / "people")
    index = check(lake, store, GR1)
    assert [v.accepted for v in index.verdicts] == [False, False, True, False]
    assert check(lake, store, GR1) == index  # and again, now from the file
    (file,) = lake.index.glob(f"{store.digest[:16]}-*.json")
    assert load_index(file) == index
    (late,) = [add_people(lake, "late", range(8, 10))]
    assert len(check(lake, late, GR1).accepted) == 2
    (file,) = lake.index.glob(f"{late.digest[:16]}-*.json")
    file.unlink()
    (lake.root / FILE).write_text("- video: late-9\n  at: '2026-05-03T10:00:00+00:00'\n")
    assert [v.accepted for v in check(lake, late, GR1).verdicts] == [True, False]


def test_a_mixture_from_before_refuses_to_be_used(lake: Lake) -> None:
    fresh = prepare_run(tiny_config(lake, steps=5), lake.runs)
    add(lake, Withdrawal("P07", reason="asked"))
    pointed = lake.pointed("mixture_gr1")
    assert pointed
    people = next(s for s in MixtureManifest.load(pointed[0]).sources if s.store.endswith("people"))
    moved = MixtureManifest.load(pointed[0])
    # the copy of the lake keeps the paths of the original: open the store where it lies now
    from dataclasses import replace

    with pytest.raises(ValueError, match=r"'P07' withdrew after the mixture was made, it holds 3 of their clips"):
        replace(people, store=str(lake.stores / "people")).open()
    sources = tuple(replace(s, store=str(lake.stores / Path(s.store).name)) for s in moved.sources)
    replace(moved, sources=sources).save(Path(fresh.config().data.manifest))
    with pytest.raises(ValueError, match="make the mixture and its statistics again"):
        train(fresh, StopRequest())


def test_other_datasets_and_later_clips(lake: Lake) -> None:
    add(lake, Withdrawal("P07", dataset="epic-kitchens-100"))
    people = EpisodeStore.open(lake.stores / "people")
    assert len(check(lake, people, GR1).accepted) == 4  # a namesake
    later = add_people(lake, "epic", range(0, 3), dataset="epic-kitchens-100")
    assert [v.accepted for v in check(lake, later, GR1).verdicts] == [False, False, True]


def test_list_and_undo(lake: Lake) -> None:
    run(lake, "withdraw", "P07", "--reason", "typed wrongly")
    (row,) = run(lake, "withdraw", "--list")["rows"]
    assert (row["participant"], row["clips"], row["reason"]) == ("P07", 3, "typed wrongly")
    again = run(lake, "withdraw", "P07")  # idempotent: date and reason stay
    assert again["since"] == row["since"] and read(lake.root).entries[0].reason == "typed wrongly"
    assert run(lake, "withdraw", "P07", "--undo")["indexes to be made again"] == 1
    assert all(v.accepted for v in check(lake, EpisodeStore.open(lake.stores / "people"), GR1).verdicts)
    refused = invoke(["withdraw", "P07", "--undo", "--lake", lake.root])
    assert refused.exit_code == 2 and "it lists nobody" in refused.stderr


def test_a_deleted_store_is_still_named(lake: Lake) -> None:
    import shutil

    run(lake, "withdraw", "P07")
    shutil.rmtree(lake.stores / "people")
    rows = run(lake, "lineage", "--participant", "P07")["rows"]
    assert [row["how"] for row in rows if row["what"] == "clip"] == ["the store is gone"] * 3
    assert {row["what"] for row in rows} == {"clip", "manifest", "run", "checkpoint"}
    assert [store.root.name for store in sealed_stores(lake, GR1)] == ["robot"]


@pytest.mark.parametrize("text", ["[", "P07", "- {who: P07}", "- reason: none\n", "- [P07]"])
def test_a_broken_list_stops_everything(lake: Lake, text: str) -> None:
    (lake.root / FILE).write_text(text)
    with pytest.raises(WithdrawalError, match="nothing is mixed until it can be read"):
        mix(lake, GR1)


def test_weights_that_saw_them_are_no_base(lake: Lake) -> None:
    checkpoint = lake.pointed("checkpoint_gr1")
    assert checkpoint
    folder = checkpoint[0]
    config = tiny_config(lake, model=Model(base=str(folder), flare=Flare())).model_dump(mode="json")
    started = Settings.model_validate(config)
    release(lake, "gr1", folder, Checkpoint.load(folder).digest)
    require_consent(lake, started)
    assert starting_settings(lake, GR1, "released") == [f"model.base={folder}"]
    add(lake, Withdrawal("P07"))
    seen = learned_from(lake, chain_of(folder))
    assert list(seen) == ["participant 'P07'"] and 1 <= seen["participant 'P07'"] <= 3
    with pytest.raises(ConsentError, match=r"this base has learned from \d clips of participant 'P07', who withdrew"):
        require_consent(lake, started)
    assert starting_settings(lake, GR1, "released") == []


def test_purge_deletes_the_hands_that_were_found_in_their_videos(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GR00T_MEDIAPIPE", str(tmp_path / "cache/mediapipe"))
    sha256 = {number: (64 * "b" if number == 2 else 64 * "a") for number in range(4)}  # who is in 2 is not P07
    add_people(lake, "filmed", range(4), video_sha256=sha256)
    found = [tmp_path / "cache/hands" / (16 * letter) for letter in "ab"]
    for folder in found:
        folder.mkdir(parents=True)
        (folder / "made-00000000.json").write_text("{}")
    assert run(lake, "withdraw", "P07", "--purge")["videos whose found hands were deleted"] == 1
    assert [folder.exists() for folder in found] == [False, True]
    assert run(lake, "withdraw", "P07", "--purge")["videos whose found hands were deleted"] == 0


def test_purge_deletes_their_files_and_nothing_else(lake: Lake) -> None:
    store = EpisodeStore.open(lake.stores / "people")
    cached = lake.cache / f"{store.digest[:16]}-32x32/ego_view"
    cached.mkdir(parents=True, exist_ok=True)
    for number in range(4):
        (cached / f"{number:06d}.npy").write_bytes(b"frames")
    names = {"theirs": [0, 2], "others": [2], "unfinished.partial": None}
    for cache, episodes in names.items():
        folder = lake.cache / "features" / cache
        folder.mkdir(parents=True)
        (folder / "features.npy").write_bytes(b"numbers")
        if episodes is not None:
            clips = [{"name": f"{store.digest[:12]}/{number}", "first_row": 0, "length": 1} for number in episodes]
            write_json(folder / "clips.json", {"clips": clips})
    motions = [lake.cache / "motions" / f"{name}-{16 * 'a'}.safetensors" for name in ("people", "people-2")]
    for path in motions:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"rows")
    original = lake.landing / "people/people-0"
    original.parent.mkdir(parents=True)
    original.write_bytes(b"video")
    with pytest.raises(WithdrawalError, match="withdraw first"):
        purge(lake, Withdrawal("P07"))
    told = run(lake, "withdraw", "P07", "--purge")
    assert told["files deleted"] >= 3 * 3 and told["originals left to you"] == [str(original)]
    assert run(lake, "withdraw", "P07", "--purge")["files deleted"] == 0
    kept = {n for n in range(4) if store.video_path(n, "ego_view").is_file() and store.data_path(n).is_file()}
    assert [(lake.cache / "features" / cache / "features.npy").is_file() for cache in names] == [False, True, False]
    assert [path.is_file() for path in motions] == [False, True]
    assert kept == {2} and (cached / "000002.npy").is_file() and not (cached / "000000.npy").is_file()
    for file in lake.index.glob("*.json"):
        file.unlink()
    assert [v.accepted for v in check(lake, store, GR1).verdicts] == [False, False, True, False]
    measure_statistics(lake, GR1)
    manifest, _ = mix(lake, GR1, MixtureSettings(held_out_share=0.3))
    assert episodes_in(manifest)["people"] == {2}
    rows = run(lake, "lineage", "--participant", "P07")["rows"]
    assert {row["what"] for row in rows} == {"clip", "manifest", "run", "checkpoint"}
