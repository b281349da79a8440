"""Licences: how they are spelled, how they add up, and what a commercial profile refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.curate.build import build_index
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import plan_mix
from gr00t_data.stages.settings import MixtureSettings
from gr00t_data.stages.stores import check
from gr00t_data.store.provenance import StoreSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_data.terms.licences import UNKNOWN, LicenceError, joined, known, obstacles, of_store, parts, stated_in
from tests.data.builders import GR1, episode


@pytest.mark.parametrize(
    ("text", "name", "commercial"),
    [
        ("Apache-2.0", "Apache-2.0", True),
        ("apache 2.0", "Apache-2.0", True),
        ("Apache License, Version 2.0".replace(",", ""), "Apache-2.0", True),
        ("Apache-2.0 (grounded on pictures of our own simulator)", "Apache-2.0", True),
        ("MIT", "MIT", True),
        ("CC BY 4.0", "CC-BY-4.0", True),
        ("cc-by-4.0", "CC-BY-4.0", True),
        ("CC BY-NC 4.0", "CC-BY-NC-4.0", False),
        ("CC-BY-NC-ND-4.0", "CC-BY-NC-ND-4.0", False),
        ("CC BY-NC-ND 4.0: use unchanged", "CC-BY-NC-ND-4.0", False),
        ("CC-BY-NC-SA-4.0", "CC-BY-NC-SA-4.0", False),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", False),
        ("Ego4D licence agreement (signed)", "Ego4D", False),
        ("Ego-Exo4D", "Ego-Exo4D", False),
        ("NSCL v1 as published with nvidia/GR00T-N1.5-3B, to be treated as non-commercial", "NSCLv1", False),
        ("NVIDIA Open Model License", "NVIDIA-Open-Model", True),
        ("MANO licence", "MANO", False),
        ("unknown", "unknown", False),
        ("", "unknown", False),
        ("x", "unknown", False),
        ("MITRE terms", "unknown", False),
        ("not MIT", "unknown", False),
        ("CC-BY-4.0-custom", "unknown", False),
    ],
)
def test_spellings(text: str, name: str, commercial: bool) -> None:
    assert (known(text).name, known(text).commercial) == (name, commercial)


def test_a_sum_holds_each_once_and_the_most_restrictive_decides() -> None:
    assert joined(["MIT", "CC-BY-NC-4.0 AND MIT", "Apache-2.0"]) == "Apache-2.0 AND CC-BY-NC-4.0 AND MIT"
    assert joined(["MIT"]) == "MIT" and joined([]) == "unknown"
    assert parts("A AND B AND A") == ("A", "B")
    assert [one.name for one in obstacles("MIT AND CC-BY-NC-4.0 AND our words")] == ["CC-BY-NC-4.0", "our words"]
    assert obstacles("MIT AND CC-BY-4.0") == ()
    assert known("nobody knows") is UNKNOWN


def test_a_licence_counts_wherever_a_record_states_it() -> None:
    about = {
        "licence": "MIT",
        "source": {"hands": {"model": "m", "licence": "CC-BY-NC-ND-4.0"}, "clips": [{"licence": "x"}]},
    }
    assert dict(stated_in(about)) == {
        "licence": "MIT",
        "source.hands.licence": "CC-BY-NC-ND-4.0",
        "source.clips.licence": "x",
    }
    assert [text for _, text in stated_in({"licences": ["A", "B"], "n": 3, "m": [1, 2]})] == ["A", "B"]


def store_of(lake: Lake, name: str, licence: str, sources: list[dict], first: int = 0, **about) -> EpisodeStore:
    writer = StoreWriter.create(
        lake.stores / name, GR1, kind="real", licence=licence, source=StoreSource.model_validate(about)
    )
    for number, source in enumerate(sources):
        writer.append(episode(seed=first + number, source=source))
    store = writer.seal()
    check(lake, store, GR1)
    return store


def test_a_store_has_the_licences_of_episodes_and_labels(tmp_path: Path) -> None:
    store = store_of(
        Lake(tmp_path),
        "s",
        "CC-BY-4.0",
        [{"licence": "CC-BY-4.0"}, {"licence": "CC-BY-NC-4.0", "hands": {"licence": "MIT"}}],
        hands={"model": "detector", "licence": "Apache-2.0"},
    )
    assert of_store(store) == "Apache-2.0 AND CC-BY-4.0 AND CC-BY-NC-4.0 AND MIT"
    assert of_store(store, {0}) == "Apache-2.0 AND CC-BY-4.0"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    store_of(lake, "free", "MIT", [{}, {}])
    store_of(lake, "kitchen", "CC-BY-NC-4.0", [{}, {}, {}], first=10)
    store_of(lake, "labelled", "Apache-2.0", [{}], first=20, hands={"licence": "CC-BY-NC-ND-4.0"})
    return lake


def test_a_commercial_mixture_names_what_it_refuses_and_the_way_out(lake: Lake) -> None:
    with pytest.raises(LicenceError) as refused:
        plan_mix(lake, GR1, MixtureSettings(licence_profile="commercial"))
    text = str(refused.value)
    assert "refuses 2 of 3 stores" in text
    assert "kitchen: 3 episodes (0, 1, 2), licence CC-BY-NC-4.0: CC-BY-NC-4.0, non-commercial use only" in text
    assert "labelled: 1 episodes (0), licence Apache-2.0 AND CC-BY-NC-ND-4.0" in text
    assert "leave them out with --stores free;" in text
    manifest = plan_mix(lake, GR1, MixtureSettings(stores=["free"], licence_profile="commercial"))
    assert [source.licence for source in manifest.sources] == ["MIT"]
    with pytest.raises(LicenceError, match="none of them is left"):
        plan_mix(lake, GR1, MixtureSettings(stores=["kitchen"], licence_profile="commercial"))


def test_the_profile_is_part_of_the_manifest(lake: Lake, tmp_path: Path) -> None:
    plain, strict = (
        plan_mix(lake, GR1, MixtureSettings(stores=["free"], licence_profile=profile))
        for profile in ("any", "commercial")
    )
    assert "licence_profile" not in plain.to_dict() and strict.to_dict()["licence_profile"] == "commercial"
    assert plain.digest != strict.digest
    strict.save(tmp_path / "m.json")
    assert MixtureManifest.load(tmp_path / "m.json") == strict
    assert replace(strict, licence_profile="any").digest == plain.digest


def test_unknown_is_refused_and_said(tmp_path: Path) -> None:
    store = store_of(Lake(tmp_path), "s", "unknown", [{}])
    index = build_index(store, GR1, tmp_path / "index")
    with pytest.raises(LicenceError, match="unknown, nobody said under which terms"):
        build_manifest("m", GR1, [(store, index, 1.0)], licence_profile="commercial")
