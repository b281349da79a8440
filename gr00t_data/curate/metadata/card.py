"""Checks of the terms: what the card (README.md), info.json and about.json say of licence and consent."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.plain_yaml import plain_yaml
from gr00t_data.store.store import EpisodeStore, StoreError, episode_lines
from gr00t_data.terms.licences import UNKNOWN, known
from gr00t_data.terms.withdrawal import REFUSALS

_LICENCE, _CONSENT = ("license", "licence", "license_name"), ("consent",)
_UNSAID = ("", "unknown", "other", "none")
_MOST_NAMED = 8


def check_card(whole: Whole) -> Iterator[Finding]:
    """META-16 of the licence, CONSENT-02 of the consent."""
    store = whole.store
    card, fault = _front_matter(store.root / "README.md")
    if fault:
        yield META_16.finding(f"{store.root}/README.md: its front matter {fault}; correct it", severity="info")
    yield from _licence(store, card)
    yield from _consent(store, card)


def _front_matter(path: Path) -> tuple[Mapping[str, Any], str]:
    """What the card says between its two lines of ``---``, and why that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        return {}, f"cannot be read ({error})"
    head, mark, rest = text.lstrip("\ufeff").partition("---\n")
    inside, end, _ = rest.partition("\n---")
    if head.strip() or not mark or not end:
        return {}, ""
    try:
        said = plain_yaml(inside.encode())
    except ValueError as error:
        return {}, str(error)
    return (said, "") if isinstance(said, dict) else ({}, "is no mapping")


def _said(place: Mapping[str, Any], names: tuple[str, ...]) -> str:
    values = (place.get(name) for name in names)
    texts = (value[0] if isinstance(value, list) and value else value for value in values)
    return next((str(text).strip() for text in texts if text not in (None, "", [], {})), "")


def _licence(store: EpisodeStore, card: Mapping[str, Any]) -> Iterator[Finding]:
    said = {
        "README.md": _said(card, _LICENCE),
        "meta/info.json": _said(store.info, _LICENCE),
        "meta/about.json": store.about.licence or "",
    }
    stated = {place: text for place, text in said.items() if text.lower() not in _UNSAID}
    if not stated:
        files = [path.name for path in sorted(store.root.glob("LICEN[CS]E*"))]
        beside = f"; {files[0]} lies there: name it in the card" if files else ""
        yield META_16.finding(
            f"{store.root}: neither README.md nor meta/info.json nor meta/about.json names a licence{beside}; ask who "
            "published it, then say it with `gr00t ingest --licence`",
            severity="info",
        )
    if len({_plain(text) for text in stated.values()}) > 1:
        listed = ", ".join(f"{place} says {text!r}" for place, text in stated.items())
        yield META_16.finding(f"{store.root}: the licences contradict each other: {listed}; find out which holds")


def _plain(text: str) -> str:
    licence = known(text)
    return " ".join(text.lower().split()) if licence is UNKNOWN else licence.name


def _consent(store: EpisodeStore, card: Mapping[str, Any]) -> Iterator[Finding]:
    said = {"README.md": _said(card, _CONSENT), "meta/info.json": _said(store.info, _CONSENT)}
    stated = {place: text for place, text in said.items() if text}
    refused = [place for place, text in stated.items() if _is_refused(text)]
    for place in refused:
        message = f"{store.root / place}: consent is {stated[place]!r}; the people in it did not agree: leave it out"
        yield CONSENT_02.finding(message, severity="error" if len(refused) == len(stated) else "warning")
    if len(stated) > 1 and len({" ".join(text.lower().split()) for text in stated.values()}) > 1:
        listed = ", ".join(f"{place} says {text!r}" for place, text in stated.items())
        yield CONSENT_02.finding(f"{store.root}: consent is stated in two ways: {listed}; find out which holds")
    yield from _consent_of_episodes(store)


def _consent_of_episodes(store: EpisodeStore) -> Iterator[Finding]:
    path = f"{store.root}/meta/episodes.jsonl"
    try:
        lines = episode_lines(store.root)
    except (StoreError, KeyError, TypeError, ValueError):
        return  # what is wrong with the list is said by who reads it
    texts = {index: _said({**_source(line), **line}, _CONSENT) for index, line in lines.items()}
    refused = [index for index, text in texts.items() if _is_refused(text)]
    silent = [index for index, text in texts.items() if not text] if any(texts.values()) else []
    for numbers, what in (
        (refused, "was refused or withdrawn"),
        (silent, "is stated for the others and not for these"),
    ):
        if numbers:
            named = ", ".join(map(str, numbers[:_MOST_NAMED])) + (" ..." if len(numbers) > _MOST_NAMED else "")
            message = f"{path}: consent {what}: {len(numbers)} episodes ({named}); leave them out until it is there"
            yield CONSENT_02.finding(message)


def _source(line: Mapping[str, Any]) -> Mapping[str, Any]:
    source = line.get("source")
    return source if isinstance(source, dict) else {}


def _is_refused(text: str) -> bool:
    return text.lower().rstrip(".!") in REFUSALS


META_16, CONSENT_02 = Look(Whole, check_card, 2).finds(
    Check("META-16", "warning", "licence missing or contradicted",
          "a model is sold that may not be, or a mixture refuses the set"),
    Check("CONSENT-02", "warning", "consent refused, missing for some, or contradicted",
          "the weights would hold what a person did not give"),
)  # fmt: skip
