"""What bars an episode whatever its rows hold: an error of its store, or a person who took it back."""

from collections.abc import Iterator
from typing import NamedTuple

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Subject


class TakenBack(NamedTuple):
    """An episode whose participant withdrew. ``where`` names store and episode, ``withdrawal`` who, when and why."""

    where: str
    withdrawal: str


def check_barred(subject: Subject) -> Iterator[Finding]:
    """STORE-01: an error of the store is an error of each of its episodes."""
    if subject.store_errors:
        codes = ", ".join(subject.store_errors)
        yield STORE_01.finding(f"{subject.where}: its store has errors of its own ({codes}); correct those first")


def check_consent(taken: TakenBack) -> Iterator[Finding]:
    """CONSENT-01, which ``withdrawn`` adds to verdicts."""
    message = f"{taken.where}: {taken.withdrawal}; nothing to repair, it is never used again"
    yield CONSENT_01.finding(message)


(STORE_01,) = Look(Subject, check_barred, 10).finds(
    Check("STORE-01", "error", "the whole store is barred", "a store-level error makes every episode unusable",
          spoils=False),
)  # fmt: skip
(CONSENT_01,) = Look(TakenBack, check_consent, 0).finds(
    Check("CONSENT-01", "error", "a participant withdrew", "the weights would hold what a person took back"),
)
