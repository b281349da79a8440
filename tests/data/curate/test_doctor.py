"""The doctor as a whole: its report, its command, its exit status, and the baseline."""

import json
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate import doctor
from gr00t_data.curate.baseline import new_findings, read_baseline, write_baseline
from gr00t_data.curate.checks.catalogue import CHECKS
from gr00t_data.curate.compare.evidence import EpisodeEvidence
from gr00t_data.curate.doctor import FEWEST_TO_REJECT, _sure, diagnose
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.store.store import SEAL, EpisodeStore
from gr00t_model.shell.doctor import COULD_NOT_CHECK
from tests.data.builders import GR1, change_parquet, episode, sealed
from tests.data.curate.motions import rows_of
from tests.data.test_confined import crash
from tests.shell import invoke


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    episodes = []
    for number in range(5):
        state, action = rows_of(number, 40)
        fields = {"state": state, "action": action, "instruction": f"reach thing {number}"}
        episodes.append(episode(rows=40, seed=number, **fields))
    return sealed(tmp_path / "s", episodes)


def break_rows(store: EpisodeStore, index: int) -> None:
    change_parquet(store, index, lambda table: table.drop_columns(["action"]))


def run(*arguments: str) -> tuple[int, str]:
    result = invoke([*arguments])
    return result.exit_code, result.stdout


def test_clean_is_zero_and_the_object_is_the_promised_one(store: EpisodeStore) -> None:
    status, text = run("doctor", str(store.root), "--json")
    report = json.loads(text)
    assert status == 0 and list(report) == ["store", "findings", "episodes"] and report["store"] == str(store.root)
    assert [episode["verdict"] for episode in report["episodes"]] == ["accepted"] * 5
    assert all(list(one) == ["episode_index", "verdict", "findings"] for one in report["episodes"])
    assert [set(finding) for finding in report["findings"]] == [{"code", "severity", "frames", "message"}]


def test_a_rejected_episode_is_one(store: EpisodeStore) -> None:
    break_rows(store, 2)
    status, text = run("doctor", str(store.root), "--json")
    report = json.loads(text)
    assert status == 1 and report["episodes"][2]["verdict"] == "rejected"
    assert [finding["code"] for finding in report["episodes"][2]["findings"]] == ["COLUMN-01"]


@pytest.mark.parametrize("arguments", [["nowhere"], ["{store}", "-e", "nobody"], ["{store}", "--baseline", "{store}"]])
def test_could_not_check_has_a_status_of_its_own(store: EpisodeStore, arguments: list[str]) -> None:
    status, _ = run("doctor", *(argument.format(store=store.root) for argument in arguments))
    assert status == COULD_NOT_CHECK


def test_with_a_baseline_only_new_findings_fail(store: EpisodeStore, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    break_rows(store, 2)
    assert run("doctor", str(store.root), "--write-baseline", str(known))[0] == 1
    status, text = run("doctor", str(store.root), "--baseline", str(known), "--json")
    assert status == 0 and json.loads(text)["episodes"][2]["findings"] == []
    break_rows(store, 4)
    status, text = run("doctor", str(store.root), "--baseline", str(known), "--json")
    assert status == 1 and json.loads(text)["episodes"][4]["findings"][0]["code"] == "COLUMN-01"
    known.write_text("{}")
    with pytest.raises(ValueError, match="not a baseline; write one with"):
        read_baseline(known)


def test_a_graver_finding_is_new(store: EpisodeStore, tmp_path: Path) -> None:
    report = diagnose(store, GR1)
    write_baseline(tmp_path / "b.json", report)
    known = read_baseline(tmp_path / "b.json")
    assert new_findings(report, known).findings == ()
    known["store"]["META-07"] = (known["store"]["META-07"][0], 0)
    assert [finding.code for finding in new_findings(report, known).findings] == ["META-07"]


def test_processes_do_not_change_the_report(store: EpisodeStore) -> None:
    assert diagnose(store, GR1, workers=2) == diagnose(store, GR1)


class Crashing(doctor._Examination):
    """What decodes one of the episodes crashes, as libraries in C do on files made for it."""

    def of(self, number: int) -> tuple[Verdict, EpisodeEvidence]:
        if number == 2:
            crash()
        return super().of(number)


def test_an_episode_that_ends_its_reader_is_rejected_alone(
    store: EpisodeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = diagnose(store, GR1).verdicts
    monkeypatch.setattr(doctor, "_Examination", Crashing)
    verdicts = diagnose(store, GR1, workers=2).verdicts
    (found,) = verdicts[2].findings
    assert (
        found.code == "FILE-02" and f"{store.root}: episode 2: reading it ended the reader (signal 11" in found.message
    )
    assert [one.accepted for one in verdicts] == [one.accepted and number != 2 for number, one in enumerate(expected)]


def test_an_action_delayed_by_five_rows_is_found_in_its_episode(store: EpisodeStore) -> None:
    import pyarrow as pa

    def delay(table: pa.Table) -> pa.Table:
        rows = np.clip(np.arange(len(table)) - 5, 0, None)
        return table.set_column(table.column_names.index("action"), "action", table["action"].take(pa.array(rows)))

    change_parquet(store, 3, delay)
    verdicts = diagnose(store, GR1).verdicts
    finding = next(finding for finding in verdicts[3].findings if finding.code == "MOTION-09")
    assert finding.severity == "warning" and verdicts[3].accepted, "one of five is always odd: nothing is rejected"
    assert all("MOTION-09" not in verdict.codes for verdict in verdicts if verdict.episode_index != 3)


def test_being_unlike_the_others_rejects_where_there_are_enough_of_them() -> None:
    odd, fact = Finding("MOTION-09", "error", "late"), Finding("VIDEO-06", "error", "4:3")
    assert _sure(odd, FEWEST_TO_REJECT).severity == "error" and _sure(odd, FEWEST_TO_REJECT - 1).severity == "warning"
    assert _sure(fact, 2).severity == "error"


def test_fix_shows_first_and_keeps_a_backup(store: EpisodeStore) -> None:
    path = store.root / "meta/info.json"
    wrong = json.loads(path.read_text()) | {"total_frames": 7}
    path.write_text(json.dumps(wrong))
    (store.root / SEAL).unlink()
    status, text = run("doctor", str(store.root), "--fix", "--dry-run")
    assert status == 0 and "would write meta/info.json" in text
    assert json.loads(path.read_text())["total_frames"] == 7
    status, text = run("doctor", str(store.root), "--fix")
    assert status == 0 and "wrote meta/info.json" in text and "the old files are in " in text
    assert json.loads(path.read_text())["total_frames"] == 200
    backup = Path(text.split("the old files are in ")[1].split("\n")[0])
    assert any(json.loads(old.read_text()).get("total_frames") == 7 for old in backup.rglob("info.json"))


def test_the_report_is_one_page_without_links(store: EpisodeStore, tmp_path: Path) -> None:
    page = tmp_path / "doctor.html"
    break_rows(store, 2)
    assert run("doctor", str(store.root), "--report", str(page))[0] == 1
    text = page.read_text()
    assert "COLUMN-01" in text and 'src="http' not in text and "<link" not in text


def test_explain() -> None:
    status, text = run("explain", "sync-01")
    assert status == 0 and text.startswith("SYNC-01: camera late or early against the rows. If it is ignored, ")
    assert run("explain", "SYNC-99")[0] == 2
    assert len(json.loads(run("explain", "--json")[1])["rows"]) == len(CHECKS)
