"""The report is one file that says what was found, and shows it."""

import re
from pathlib import Path

from gr00t_data.curate.examine import check_episode, check_store
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.curate.report import write_report
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, sealed
from tests.data.curate.moving import moving_episode


def page(store: EpisodeStore, path: Path, verdicts: list[Verdict] | None = None, pictures: bool = True) -> str:
    checked = verdicts or [check_episode(store, row.index, GR1) for row in store.rows]
    return write_report(path, store, GR1, check_store(store, GR1), checked, pictures=pictures).read_text()


def made(root: Path) -> EpisodeStore:
    return sealed(
        root, [moving_episode(0), moving_episode(1, instruction="<script>alert(1)</script> & so"), moving_episode(2)]
    )


def test_everything_is_inside(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    store.video_path(2, "ego_view").unlink()
    text = page(store, tmp_path / "report.html")
    assert text.count("data:image/jpeg;base64,") == 12 and text.count("data:image/png;base64,") == 3
    assert not re.search(r"""(src|href)=["'](?!data:)""", text) and "<script" not in text and "@import" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; so" in text
    assert re.search(r"VIDEO-01</span></td><td>video file missing</td>.*<td>2</td>", text)
    assert text.count(">rejected</span>") == 1 and text.count(">accepted</span>") == 2


def test_findings_lie_where_they_are(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    found = (
        Finding("TIME-02", "warning", "a gap", (0, 2)),
        Finding("NAN-01", "error", "no number", (27, 29)),
        Finding("TEXT-01", "error", "no text"),
    )
    verdicts = [Verdict(0, False, 30, (), "x", found), Verdict(1, True, 30, ((0, 15), (20, 30)), "y", ())]
    text = page(store, tmp_path / "report.html", verdicts, pictures=False)
    assert '<rect x="0.0" y="11" width="76.0" height="8" rx="1" fill="var(--warning)"/>' in text
    assert '<rect x="684.0" y="0" width="76.0" height="8" rx="1" fill="var(--error)"/>' in text
    assert '<rect x="506.7" y="2" width="253.3" height="8" rx="2" fill="var(--good)"/>' in text
    assert "NAN-01 27-29" in text and "data:image/jpeg" not in text


def test_a_store_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    for index in range(3):
        store.data_path(index).unlink()
        store.video_path(index, "ego_view").write_text("no video")
    text = page(store, tmp_path / "report.html")
    assert text.count(">rejected</span>") == 3 and text.count("data:image/png;base64,") == 1


def test_only_the_gravest_of_many_are_shown(tmp_path: Path) -> None:
    store = made(tmp_path / "s")
    many = [Verdict(n, True, 30, ((0, 30),), "x", ()) for n in range(205)]
    many[204] = Verdict(204, False, 30, (), "x", (Finding("TEXT-01", "error", "no text"),))
    text = page(store, tmp_path / "report.html", many, pictures=False)
    assert 'id="episode-204"' in text and 'id="episode-203"' not in text and "5 accepted episodes without" in text
