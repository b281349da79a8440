"""`gr00t stats` and `gr00t mix` over a lake of two stores, as a user types them."""

import json
from pathlib import Path

import pytest

from tests.data.builders import episode, sealed
from tests.shell import Result, invoke


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    sealed(tmp_path / "stores/simulator", [episode(20, 0), episode(24, 1), episode(40, 2)])
    sealed(tmp_path / "stores/real", [episode(18, 3), episode(22, 4)], kind="real")
    return tmp_path


def gr00t(lake: Path, *words: str, status: int = 0) -> Result:
    result = invoke([*words, "--lake", str(lake)] if lake else [*words])
    assert result.exit_code == status, result.output
    return result


def test_preview_writes_nothing_and_mix_does(lake: Path) -> None:
    words = ["--weight", "real=0.75", "--json"]
    seen = json.loads(gr00t(lake, "mix", "preview", "gr1_nano_tiny", *words).stdout)
    assert {row["store"]: row["probability"] for row in seen["sources"]} == {"simulator": 0.25, "real": 0.75}
    assert seen["samples"] == 24 and seen["kinds"] == {"simulated": 0.25, "real": 0.75}
    assert not (lake / "mixtures").exists()
    written = json.loads(gr00t(lake, "mix", *words).stdout)
    assert written["manifest"] == seen["manifest"]
    again = json.loads(gr00t(lake, "mix", "preview", "--manifest", written["file"], "--json").stdout)
    assert again["manifest"] == seen["manifest"]


def test_diff(lake: Path) -> None:
    one = json.loads(gr00t(lake, "mix", "--json").stdout)["file"]
    two = json.loads(gr00t(lake, "mix", "--temperature", "2", "--json").stdout)["file"]
    same = invoke(["mix", "diff", one, one])
    assert same.exit_code == 0 and json.loads(same.stdout) == {}
    other = invoke(["mix", "diff", one, two])
    assert other.exit_code == 1 and json.loads(other.stdout)["sources"].keys() == {"simulator", "real"}


def test_stats_weighed_as_the_mixture(lake: Path) -> None:
    alike = json.loads(gr00t(lake, "stats", "--json").stdout)
    weighed = json.loads(gr00t(lake, "stats", "--weight", "real=0.9", "--json").stdout)
    assert alike["shares"] == {} and sorted(weighed["shares"].values()) == pytest.approx([0.1, 0.9])
    assert alike["digest"] != weighed["digest"]


def test_a_weight_that_is_none(lake: Path) -> None:
    assert "is not STORE=SHARE" in gr00t(lake, "mix", "--weight", "real", status=2).output
    result = invoke(["mix", "--weight", "other=0.5", "--lake", str(lake)])
    assert result.exit_code == 2 and "the stores are real, simulator" in result.output


def test_export(lake: Path, tmp_path: Path) -> None:
    written = json.loads(gr00t(lake, "mix", "--json").stdout)["file"]
    result = invoke(["mix", "export", written, str(tmp_path / "v3"), "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["target"] == str(tmp_path / "v3"), result.output
    info = json.loads((tmp_path / "v3/meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["total_episodes"] == 3


def test_preview_says_how_long_a_chunk_is(lake: Path) -> None:
    seen = json.loads(gr00t(lake, "mix", "preview", "gr1_nano_tiny", "--json").stdout)
    assert {(row["hz"], row["horizon_s"], row["horizon_frames"]) for row in seen["sources"]} == {(20, 0.8, 16)}
