"""Generated clips in every form they come in, good and bad."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.disk import digest_file
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.neural.finding import ClipsError, find_clips
from gr00t_data.sources.neural.ingest import ingest_clips
from gr00t_data.sources.neural.reading import frame_of_rows
from gr00t_data.sources.neural.settings import ClipsMade
from gr00t_data.sources.neural.views import ViewError, choose_layout, cut_views, probe_layout
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from tests.data.builders import GR1
from tests.data.lerobot.folders import change_json
from tests.data.sources.neural.drops import dreams, grid, listed, movie, pictures

REAL = Path(__file__).parents[5] / "shared/data/neural"
PANDA = load_embodiment("panda_gripper")


def refusals(store: EpisodeStore) -> dict[str, str]:
    return {one.episode: one.reason for one in store.about.source.refused}


def test_instructions_are_read_from_names(tmp_path: Path) -> None:
    names = ("12_pick_up_the_cook's_pan.v2.mp4", "a/3_stapel_die_Würfel.mp4", "b/3_stapel_die_Würfel.mp4")
    for name in (*names, "open the_door/0.mp4"):
        movie(tmp_path / name)
    found = find_clips(tmp_path)
    assert found.form == "names" and {clip.name: clip.instruction for clip in found.clips} == {
        "12_pick_up_the_cook's_pan.v2.mp4": "pick up the cook's pan.v2",
        "a/3_stapel_die_Würfel.mp4": "stapel die Würfel",
        "b/3_stapel_die_Würfel.mp4": "stapel die Würfel",
        "open the_door/0.mp4": "open the door",
    }


def test_labels_beside_videos(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    for number, text in ((1, "pour"), (2, "wipe and/or dry"), (10, "fold")):
        (tmp_path / f"labels/{number}.txt").write_text(text + "\n")
    movie(tmp_path / "videos/1.mp4")
    movie(tmp_path / "videos/ego_view/2.mp4")
    movie(tmp_path / "videos/7.mp4")
    found = find_clips(tmp_path)
    assert [(clip.instruction, list(clip.videos)) for clip in found.clips] == [
        ("pour", [""]),
        ("wipe and/or dry", ["ego_view"]),
    ]
    assert {one.episode for one in found.refused} == {"videos/10.mp4", "videos/7.mp4"}


def test_one_view_belongs_to_the_camera_that_is_named() -> None:
    cameras = ("front", "wrist")
    for said, camera in (("wrist", "wrist"), ("front", "front"), (None, "front"), ("single", "front")):
        assert list(cut_views(pictures(), choose_layout(pictures(), said, cameras), cameras, (64, 64))) == [camera]


def test_a_manifest_is_taken_at_its_word_where_files_bear_it_out(tmp_path: Path) -> None:
    movie(tmp_path / "one.mp4")
    movie(tmp_path / "stray.mp4")
    made = {"model": "wan2.1", "seed": 7, "adapter_sha256": "ab", "steps": 50}
    lines = ({"file": "one.mp4", "instruction": "a/b", "fps": 20, **made}, {"file": "gone.mp4"}, "{broken")
    listed(tmp_path, *lines, {"file": "../out.mp4"}, {"file": "one.mp4"}, {"file": "slow.mp4", "fps": 0}, {"a": 1})
    found = find_clips(tmp_path)
    assert [clip.name for clip in found.clips] == ["one.mp4"]
    assert found.clips[0].made == {"model": "wan2.1", "seed": 7, "adapter_sha256": "ab", "other": {"steps": 50}}
    reasons = [one.reason for one in found.refused]
    for part in (
        "no such file",
        "is not JSON",
        "leads out",
        "one.mp4' again (as line 1)",
        "fps is 0",
        "no text in 'file'",
    ):
        assert any(part in reason for reason in reasons), part
    assert any(one.episode == "stray.mp4" and "not in manifest.jsonl" in one.reason for one in found.refused)


def test_nothing_is_no_drop(tmp_path: Path) -> None:
    with pytest.raises(ClipsError, match="holds no generated clip"):
        find_clips(tmp_path)


def test_layouts_are_seen() -> None:
    assert probe_layout(pictures()).name == "single" and not probe_layout(pictures()).bars
    boxed = np.pad(grid(), ((0, 0), (6, 6), (16, 16), (0, 0)))
    found = probe_layout(boxed)
    assert found.name == "grid_2x2" and found.bars
    views = cut_views(boxed, found, ("left", "right", "wrist"), (64, 64))
    assert [view[4, 32, 32].tolist() for view in views.values()] == [[200, 60, 60], [60, 200, 60], [60, 60, 200]]
    # A tile of 24 x 40 keeps its shape, so a square picture has bars above and below.
    assert not views["left"][:, :10].any() and views["left"][:, 20].all()
    dark = pictures()
    dark[:, 24:, 40:] //= 2
    assert probe_layout(dark).name == "single"


def test_a_layout_must_fit(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match="a grid of three views, but the embodiment has 1 camera"):
        choose_layout(grid(), None, ("ego_view",))
    with pytest.raises(ViewError, match="says 'grid_2x2', but the picture looks like 'single'"):
        choose_layout(pictures(), "grid_2x2", ("left", "right", "wrist"))
    with pytest.raises(ViewError, match="'tiles' is none of single"):
        choose_layout(pictures(), "tiles", ("ego_view",))
    crop = cut_views(pictures(), choose_layout(pictures(), "gr1_crop", ("ego_view",)), ("ego_view",), (256, 256))
    assert crop["ego_view"].shape == (9, 256, 256, 3) and not crop["ego_view"][:, :40].any()


@pytest.mark.parametrize(("fps", "rows"), [(20, 9), (8, 21), (40, 5)])
def test_rows_are_ticks_of_the_control_clock(fps: float, rows: int) -> None:
    shown = frame_of_rows(9, 1 / fps, 20)
    assert len(shown) == rows and shown[0] == 0 and shown[-1] == 8
    assert np.abs(shown / fps - np.arange(rows) / 20).max() <= 0.5 / fps + 1e-9


def test_a_sealed_store_without_actions(tmp_path: Path) -> None:
    drop, lake = tmp_path / "drop", Lake(tmp_path / "lake")
    movie(drop / "0_pour_the_tea.mp4")
    movie(drop / "1_pour_the_tea.mp4")
    movie(drop / "2_wipe.mp4", pictures(1))
    movie(drop / "4_fold.mp4", seed=1)
    movie(drop / "5_cut_off.mp4", seed=2)
    whole = (drop / "5_cut_off.mp4").read_bytes()
    (drop / "5_cut_off.mp4").write_bytes(whole[: len(whole) * 3 // 4])
    movie(drop / "6_slow.mp4", seed=3, fps=20)
    settings = ClipsMade(made={"model": "toy"})
    store = ingest_clips(drop, GR1, lake, licence="CC0-1.0", settings=settings)
    assert store.kind == "neural" and store.about.absent == ("state", "action")
    assert [(row.instruction, row.length) for row in store.rows] == [("pour the tea", 21), ("fold", 21), ("slow", 9)]
    assert probe(store.video_path(0, "ego_view")).frames == 21
    reasons = refusals(store)
    assert "same bytes as '0_pour_the_tea.mp4'" in reasons["1_pour_the_tea.mp4"]
    assert "has 1 frame" in reasons["2_wipe.mp4"] and "5_cut_off.mp4" in reasons
    source = store.rows[0].source.facts()
    assert source is not None and source["generated"] == {"model": "toy"} and "nobody verified" in source["clock"]
    assert store.matrix(0, "source_frame")[:, 0].tolist()[:6] == [0, 0, 1, 1, 2, 2]
    again = ingest_clips(drop, GR1, lake, settings=settings)
    assert again.digest == store.digest
    with pytest.raises(StoreError, match="another settings"):
        ingest_clips(drop, GR1, lake, settings=ClipsMade(fps=16))
    index = build_index(store, GR1, tmp_path / "index")
    assert not {code for verdict in index.verdicts for code in verdict.codes if code.startswith("MOTION")}


def test_a_killed_ingest_goes_on(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    for seed in range(3):
        movie(drop / f"{seed}_fold.mp4", seed=seed)
    whole = ingest_clips(drop, GR1, Lake(tmp_path / "one"))

    def dies(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_clips(drop, GR1, Lake(tmp_path / "two"), progress=dies)
    with pytest.raises(StoreError, match="still being written"):
        EpisodeStore.open(tmp_path / "two/stores/drop")
    assert ingest_clips(drop, GR1, Lake(tmp_path / "two")).digest == whole.digest


def test_other_robots_are_refused(tmp_path: Path) -> None:
    movie(tmp_path / "drop/one.mp4", seed=1)
    movie(tmp_path / "drop/two.mp4", grid())
    lines = [{"file": "one.mp4", "instruction": "fold", "embodiment": "unknown"}]
    lines += [{"file": "two.mp4", "instruction": "open", "embodiment": "robocasa_panda_omron", "view": "grid_2x2"}]
    drop = listed(tmp_path / "drop", *lines)
    with pytest.raises(StoreError, match=r"none of its 2 clips could be used: one.mp4: shows the robot 'unknown'"):
        ingest_clips(drop, GR1, Lake(tmp_path / "gr1"))
    store = ingest_clips(drop, PANDA, Lake(tmp_path / "panda"))
    assert len(store.rows) == 1 and set(store.cameras) == {"left_view", "right_view", "wrist_view"}


def test_a_dreams_dataset_without_labels(tmp_path: Path) -> None:
    store = ingest_clips(dreams(tmp_path / "dream.data", moving=False), GR1, Lake(tmp_path / "lake"))
    findings = " ".join(store.about.source.findings)
    for part in ("no codebase_version", "robot_type is 'dream'", "1 tasks begin with <DREAM>", "placeholders"):
        assert part in findings
    assert store.about.absent == ("state", "action") and store.rows[0].instruction == "pour the tea"
    source = store.rows[0].source.facts()
    assert source["notes"] == ("info.json says 8 fps, the stamps say 16: the stamps are taken",)
    assert store.rows[0].length == 11 and source["period_s"] == 1 / 16


def test_the_stamps_of_a_dreams_dataset_are_taken_whatever_rate_it_states(tmp_path: Path) -> None:
    change_json(dreams(tmp_path / "dream.data", moving=False) / "meta/info.json", fps=["fast"])
    store = ingest_clips(tmp_path / "dream.data", GR1, Lake(tmp_path / "lake"))
    assert store.rows[0].source.facts()["notes"][0].startswith("info.json says ['fast'] fps, the stamps say 16")


def test_a_dreams_dataset_with_labels_keeps_what_was_predicted(tmp_path: Path) -> None:
    store = ingest_clips(dreams(tmp_path / "dream.data_idm", moving=True), GR1, Lake(tmp_path / "lake"))
    absent = store.about.absent
    assert "action" not in absent and "action.left_arm" not in absent and "action.neck" in absent
    assert store.action(0)[-1, 0] == 1.0
    with pytest.raises(StoreError, match="has 93 rows of actions for 9 frames"):
        ingest_clips(dreams(tmp_path / "other.data_idm", moving=True, rows=93), GR1, Lake(tmp_path / "lake"))


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real generated clips are not here (../shared/data)")
def test_the_real_clips(tmp_path: Path) -> None:
    settings = ClipsMade(fps=16.0, made={"model": "wan2.1", "sampler": "unipc"})
    store = ingest_clips(REAL, GR1, Lake(tmp_path), licence="Apache-2.0", settings=settings)
    reasons = refusals(store)
    assert len(store.rows) == 10 and len(reasons) == 4
    assert "same bytes as '0_counterfactual_1.mp4'" in reasons["0_counterfactual_2.mp4"]
    assert "'unknown'" in reasons["3_liquid.mp4"]
    bars = {row.source.clip: row.source.facts()["layout"]["bars"] for row in store.rows}
    assert {name for name, found in bars.items() if found} == {"1_multiround_1.mp4", "1_multiround_2.mp4"}
    assert all("'robocasa_panda_omron'" in reasons[name] for name in reasons if name.startswith("0_robocasa"))
    for row in store.rows:
        source = row.source.facts()
        assert source["generated"] == settings.made and source["clock"] == "option" and store.licence == "Apache-2.0"
        assert source["sha256"]["picture"] == digest_file(REAL / source["clip"])
        assert source["frames"] in (49, 81) and source["container_fps"] == 8  # probed, never assumed to be 93
    frames = video.decode(REAL / "1_pnp_1.mp4")
    layout = choose_layout(frames, "gr1_crop", ("ego_view",))
    crop = cut_views(frames[:1], layout, ("ego_view",), (256, 256))["ego_view"][0]
    # 720 x 480 within a square leaves 42 black lines above and below.
    assert layout.name == "gr1_crop" and not crop[:42].any() and not crop[-42:].any() and crop[44:-44].mean() > 20
    panda = ingest_clips(REAL, PANDA, Lake(tmp_path), name="panda")
    layouts = [row.source.facts()["layout"] for row in panda.rows]
    assert [layout["name"] for layout in layouts] == ["grid_2x2", "grid_2x2"]
    # One of the grids is boxed into the middle two thirds of its picture.
    assert [layout["bars"] for layout in layouts] == [False, True]
    np.testing.assert_allclose(layouts[1]["content"], [0, 1, 1 / 6, 5 / 6], atol=0.003)
