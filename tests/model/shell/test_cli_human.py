"""`gr00t human inspect` and `gr00t human ingest`, as a user types them."""

import json
from pathlib import Path

import pytest

from tests.data.films import film, only_sound
from tests.data.sources.human.ego_films import calm_film, epic_csv, turning
from tests.shell import Result, invoke


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drops") / "kitchen"
    film(root / "v.mp4", turning([(1.5, 0.05), (0.8, 1.2), (1.5, 0.05)]), fps=30, sound=True)
    epic_csv(root / "a.csv", [("a", "v", 0.0, 1.4, "#C C picks up the cup"), ("b", "v", 9.0, 10.0, "wash it")])
    return root


def gr00t(*words: str, status: int = 0) -> Result:
    result = invoke(["human", *words])
    assert result.exit_code == status, result.output
    return result


def test_inspect_says_what_would_become_of_a_drop(drop: Path) -> None:
    before = sorted(drop.rglob("*"))
    seen = json.loads(gr00t("inspect", str(drop), "--json").stdout)
    assert (seen["format"], seen["narrations"], seen["licences"]) == ("epic-kitchens-100", 2, "CC-BY-NC-4.0")
    (video,), (clip,), (problem,) = seen["videos"], seen["clips"], seen["problems"]
    assert video["sound"] == "dropped" and video["fps"] == "30.00" and video["fast turns"].startswith("1.")
    assert (clip["instruction"], clip["was"]) == ("pick up the cup", "#C C picks up the cup")
    assert problem["what"] == "b" and "lies outside" in problem["reason"]
    told = gr00t("inspect", str(drop)).output
    assert "pick up the cup" in told and "b: goes from 9.00 to 10.00 s" in told
    assert sorted(drop.rglob("*")) == before


def test_inspect_of_a_drop_without_clips_exits_with_one(tmp_path: Path) -> None:
    calm_film(tmp_path / "a.mp4", 1.5)
    only_sound(tmp_path / "b.mp4")
    seen = json.loads(gr00t("inspect", str(tmp_path), "--json", status=1).stdout)
    reasons = " ".join(problem["reason"] for problem in seen["problems"])
    assert not seen["clips"]
    assert "nobody narrated it" in reasons and "holds no video stream" in reasons and "nobody says" in reasons


def test_ingest_and_again(drop: Path, tmp_path: Path) -> None:
    words = ("ingest", str(drop), "--faces", "none", "--lake", str(tmp_path), "--json")
    made = json.loads(gr00t(*words, status=1).stdout)
    assert (made["clips"], made["frames"], made["licence"]) == (1, 28, "CC-BY-NC-4.0")
    assert made["labels"] == {"action-free": 1} and made["refused"][0]["episode"] == "b"
    assert json.loads(gr00t(*words, status=1).stdout)["digest"] == made["digest"]
    told = gr00t(*words[:-1], status=1).output
    assert "pick up the cup" in told and "refused b: " in told


def test_ingest_of_what_is_all_taken_ends_well(tmp_path: Path) -> None:
    calm_film(tmp_path / "drop/v.mp4", 2.0)
    epic_csv(tmp_path / "drop/a.csv", [("a", "v", 0.0, 1.4, "pick up the cup")])
    made = gr00t("ingest", str(tmp_path / "drop"), "--faces", "none", "--lake", str(tmp_path / "lake"), "--json")
    assert json.loads(made.stdout)["refused"] == []


@pytest.mark.parametrize(
    "words", [("--labels", "joints"), ("--faces", "some"), ("--hands", "yolo"), ("--shortest", "5", "--longest", "2")]
)
def test_wrong_options_are_explained(drop: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert words[0] in gr00t("ingest", str(drop), *words, "--lake", str(tmp_path), status=2).output


def test_help_teaches() -> None:
    assert "Example: `gr00t human ingest" in " ".join(gr00t("ingest", "--help").output.split())
    assert "columns video, start_s, end_s, text" in " ".join(gr00t("--help").output.split())
