"""Whether footage may be used at all: who is in it, what they agreed to, and who took that back."""

from gr00t_data.sources.human.footage import Footage
from gr00t_data.terms.withdrawal import REFUSALS, Withdrawals

CONSENT_BY_PUBLISHER = {
    "epic-kitchens-100": "participants agreed to the publication (EPIC-KITCHENS-100, Damen et al. 2022)",
    "ego4d": "participants signed the consent of their site (Ego4D, Grauman et al. 2022, section 3)",
    "egodex": "recorded by consenting participants (EgoDex, Hoque et al. 2025)",
}
"""Datasets whose publisher collected the consent of everyone who wore a camera, and how it is kept with each clip."""


def consent_of(footage: Footage) -> str | None:
    """What the participant agreed to: the dataset's words, else what is known of its publisher; None if nobody says."""
    stated = (footage.consent or "").strip()
    return stated or CONSENT_BY_PUBLISHER.get(footage.dataset)


def admit(footage: Footage, withdrawn: Withdrawals = Withdrawals()) -> str | None:
    """Why footage must not be used; None when it may.

    Args:
        withdrawn: the list of the lake; footage of its participants is refused before a frame of it is written.

    Returns:
        a sentence that names the video, what was found, and what to do.
    """
    where = f"{footage.video}: {footage.uid}"
    if entry := withdrawn.of(footage.participant, footage.dataset, footage.uid):
        return f"{where}: {entry.who} withdrew on {entry.at[:10]} ({entry.reason or 'no reason given'}); leave it out"
    consent = consent_of(footage)
    if consent is None:
        return (
            f"{where}: nobody says that the people in it agreed to its use; state it in the drop "
            "(column `consent`) or with `--consent TEXT`, or leave it out"
        )
    if consent.lower().rstrip(".!") in REFUSALS:
        return f"{where}: the consent of {footage.participant or 'its participant'} is {consent!r}; leave it out"
    if not footage.licence.strip():
        return f"{where}: has no licence, not even `unknown`; state it in the drop or with `--licence TEXT`"
    return None
