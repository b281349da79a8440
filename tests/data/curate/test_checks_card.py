"""Licence and consent: what the card, info.json, about.json and the episodes say, alone and together."""

import json
from pathlib import Path
from typing import Any

import pytest

from gr00t_data.curate.metadata.card import check_card
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_info, change_row, episode, sealed, unsealed


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    """Its about.json says Apache-2.0."""
    return unsealed(sealed(tmp_path / "s", [episode(), episode(seed=1)]))


def found(store: EpisodeStore) -> list[tuple[str, str, str]]:
    findings = check_card(Whole(EpisodeStore.open(store.root), GR1))
    return [(finding.code, finding.severity, finding.message) for finding in findings]


def card(store: EpisodeStore, text: str) -> None:
    (store.root / "README.md").write_text(f"---\n{text}\n---\n# A set\n")


def about(store: EpisodeStore, **changes: Any) -> None:
    path = store.root / "meta/about.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("text", ["license: apache-2.0", "license: Apache 2.0", "license:\n- apache-2.0", "tags: [a]"])
def test_one_licence_in_several_spellings_is_one(store: EpisodeStore, text: str) -> None:
    assert found(store) == []
    card(store, text)
    assert found(store) == []


def test_a_card_that_says_another_licence(store: EpisodeStore) -> None:
    card(store, "license: cc-by-nc-4.0")
    ((code, severity, message),) = found(store)
    assert (code, severity) == ("META-16", "warning")
    assert "README.md says 'cc-by-nc-4.0', meta/about.json says 'Apache-2.0'; find out which holds" in message
    card(store, "license: mit")
    about(store, licence=None)
    change_info(store, license="CC0-1.0")
    assert "README.md says 'mit', meta/info.json says 'CC0-1.0'" in found(store)[0][2]


def test_no_licence_anywhere(store: EpisodeStore) -> None:
    about(store, licence="unknown")
    (store.root / "LICENSE.txt").write_text("Terms.")
    ((code, severity, message),) = found(store)
    assert (code, severity) == ("META-16", "info") and "LICENSE.txt lies there: name it in the card" in message


def test_a_card_that_is_no_yaml(store: EpisodeStore) -> None:
    card(store, "license: [apache")
    ((code, severity, message),) = found(store)
    assert (code, severity) == ("META-16", "info") and "its front matter is no YAML" in message


def test_consent_of_the_set(store: EpisodeStore) -> None:
    card(store, "consent: withdrawn")
    ((code, severity, message),) = found(store)
    assert (code, severity) == ("CONSENT-02", "error") and "README.md: consent is 'withdrawn'" in message
    change_info(store, consent="signed 2025-03-01")
    assert [severity for _, severity, _ in found(store)] == ["warning", "warning"]
    card(store, "consent: signed 2025-03-01")
    assert found(store) == []


def test_consent_of_episodes(store: EpisodeStore) -> None:
    change_row(store, 0, consent="signed")
    ((code, severity, message),) = found(store)
    assert (code, severity) == ("CONSENT-02", "warning") and "not for these: 1 episodes (1);" in message
    change_row(store, 1, source={"consent": "revoked"})
    assert "consent was refused or withdrawn: 1 episodes (1);" in found(store)[0][2]
