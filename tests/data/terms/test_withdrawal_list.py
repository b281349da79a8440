"""Names are compared as people read them; the list of withdrawals is believed only as it was written."""

import json
import unicodedata
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.sources.landing.states import states
from gr00t_data.stages.stores import sealed_stores
from gr00t_data.terms.names import comparable, nearest
from gr00t_data.terms.withdrawal import DIGEST_FILE, FILE, Withdrawal, WithdrawalError, add, read, remove
from gr00t_model.retrain.retrain import Retraining, decide
from tests.pipelines.drops import GR1, put

JOSE = "José Núñez"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.mark.parametrize(
    "written",
    [
        JOSE,
        unicodedata.normalize("NFD", JOSE),
        JOSE.upper(),
        unicodedata.normalize("NFD", JOSE.upper()),
        f"  {JOSE}\t\n",
        f"{JOSE}\u00a0",
        f"\ufeff{JOSE}\u200b",
        JOSE.replace(" ", "  "),
        JOSE.replace(" ", "\u3000"),
    ],
)
def test_the_same_name_written_otherwise(written: str) -> None:
    assert comparable(written) == comparable(JOSE)
    assert Withdrawal(written, dataset="Epic ").reaches(JOSE, "EPIC", "v")
    assert Withdrawal(JOSE).reaches(written, None, None)


@pytest.mark.parametrize("other", ["Jose Nunez", "José", "José Núñez 2", "", "P07"])
def test_another_name(other: str) -> None:
    assert comparable(other) != comparable(JOSE) and not Withdrawal(JOSE).reaches(other, None, None)


def test_sharp_s_greek_and_turkish() -> None:
    assert comparable("STRASSE") == comparable("Straße") and comparable("ΣΑΣ") == comparable("σας")
    assert comparable("İ") == comparable("i\u0307")


@pytest.mark.parametrize("blank", ["", " ", "\t", "\u200b", "\u00a0"])
def test_a_blank_reaches_nobody(lake: Lake, blank: str) -> None:
    assert not Withdrawal(blank).reaches("P07", None, None) and not Withdrawal(blank).reaches(None, None, None)
    with pytest.raises(WithdrawalError, match="name a participant"):
        add(lake, Withdrawal(blank))


def test_the_nearest_names_are_shown_as_they_are_written() -> None:
    known = ["P07", "P08", "Anna Weiß", "Kim"]
    assert nearest("p7", known)[0] in ("P07", "P08") and nearest("anna weis", known)[0] == "Anna Weiß"
    assert nearest("qqqq", known) == []


def test_one_person_is_one_entry_and_is_shown_as_given(lake: Lake) -> None:
    add(lake, Withdrawal(" José", reason="mail"))
    add(lake, Withdrawal(unicodedata.normalize("NFD", "josé")))
    (entry,) = read(lake.root).entries
    assert (entry.participant, entry.reason) == (" José", "mail")
    assert remove(lake, "JOSÉ").participant == " José" and read(lake.root).entries == ()


DAMAGE = {
    "emptied": lambda path: path.write_text(""),
    "nobody": lambda path: path.write_text("[]\n"),
    "a comment": lambda path: path.write_text("# nobody\n"),
    "gone": lambda path: path.unlink(),
    "one byte": lambda path: path.write_bytes(path.read_bytes().replace(b"P07", b"P08")),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "a space more": lambda path: path.write_text(path.read_text() + " "),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_list_is_no_list_of_nobody(lake: Lake, name: str) -> None:
    add(lake, Withdrawal("P07"))
    DAMAGE[name](lake.root / FILE)
    with pytest.raises(WithdrawalError, match="nothing is mixed until it can be read"):
        read(lake.root)
    for change in (lambda: add(lake, Withdrawal("P08")), lambda: remove(lake, "P07")):
        with pytest.raises(WithdrawalError):
            change()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"sha256": "x"}', "{", '{"sha256": [3]}'])
def test_a_damaged_digest_stops_too(lake: Lake, content: str) -> None:
    add(lake, Withdrawal("P07"))
    (lake.root / DIGEST_FILE).write_text(content)
    with pytest.raises(WithdrawalError, match="nothing is mixed until it can be read"):
        read(lake.root)


@pytest.mark.parametrize(
    "text", ["", "null", "# x", "- {at: 2026-13-45, participant: P}", "[" * 5000, "- !!int x", "1"]
)
def test_a_list_without_digest_is_no_list_either_when_it_is_none(lake: Lake, text: str) -> None:
    lake.root.mkdir()
    (lake.root / FILE).write_text(text)
    with pytest.raises(WithdrawalError, match="nothing is mixed until it can be read"):
        read(lake.root)


def test_a_list_of_an_older_version_is_believed_and_gets_its_digest_with_the_next_entry(lake: Lake) -> None:
    lake.root.mkdir()
    (lake.root / FILE).write_text("- participant: P07\n  at: 2026-05-03\n")
    assert [entry.participant for entry in read(lake.root).entries] == ["P07"]
    add(lake, Withdrawal("P08"))
    (lake.root / FILE).write_text("[]\n")
    with pytest.raises(WithdrawalError, match="was changed by somebody else"):
        read(lake.root)
    (lake.root / DIGEST_FILE).unlink()  # on purpose
    assert read(lake.root).entries == ()


def test_a_kill_between_digest_and_list_leaves_both_believed(lake: Lake) -> None:
    add(lake, Withdrawal("P07"))
    before = (lake.root / FILE).read_bytes()
    digest = json.loads((lake.root / DIGEST_FILE).read_text())["sha256"]
    (lake.root / DIGEST_FILE).write_text(json.dumps({"sha256": ["0" * 64, *digest]}))  # the list was not yet written
    assert [entry.participant for entry in read(lake.root).entries] == ["P07"]
    add(lake, Withdrawal("P08"))
    (lake.root / FILE).write_bytes(before)  # a list from before is no list of today
    with pytest.raises(WithdrawalError):
        read(lake.root)


def test_nothing_is_taken_in_or_listed_while_the_list_is_damaged(lake: Lake) -> None:
    drop = put(lake, "monday", episodes=1)
    add(lake, Withdrawal("P07"))
    (lake.root / FILE).write_text("")
    for use in (
        lambda: ingest(drop, GR1, lake),
        lambda: take_in(lake, "monday", GR1),
        lambda: sealed_stores(lake, GR1),
        lambda: decide(lake, GR1, Retraining(), {}, 0.0),
    ):
        with pytest.raises(WithdrawalError):
            use()
    assert not list(lake.stores.glob("*")) and [one.state for one in states(lake)] == ["ready"]
