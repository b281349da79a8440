"""Where a store and its episodes come from: ``meta/about.json``, and ``source`` in ``meta/episodes.jsonl``.

Named here is what the program reads. Every way to make a store notes further facts, and folders made elsewhere have
theirs: whatever else a file says is kept as it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
    field_validator,
)

from gr00t_data.embodiment.document import SLOTS

Kind = Literal["real", "simulated", "neural", "human", "rollout"]
Facts = Mapping[str, object]
"""JSON-able facts under names of somebody else: a dataset, a model, a check."""


@dataclass(frozen=True)
class Refusal:
    """An episode that could not be brought in, and why. It stays in the drop, and the store names it."""

    episode: str
    reason: str


class Said(BaseModel):
    """What a file says; names that are not its fields are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    def facts(self) -> dict[str, object]:
        """What was said, under the names of the file; nothing that was not."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class EpisodeSource(Said):
    """Where one episode came from. An episode that was made of others keeps what was known of those.

    Attributes:
        simulator, task, seed, target, hand, direction, wrong_object, shoves: the scene it was recorded in, what the
            hand went to, and whether it was pushed on the way.
        episode, notes, alignment: its name in the drop it was read from, what was odd, and how its clocks were aligned.
        clip: its name in a drop of generated clips or of footage.
        dataset, video, video_uid, participant, consent, licence, start_s, end_s, original: the footage it was cut from,
            whom it shows, under which terms, and the annotator's own words.
        absent: what of state and action it does not have.
        faces, hands: what was found in its pictures.
        period_s: seconds of the robot from one generated frame to the next.
        generated: how it was made, as the model's drop says.
        first_frame_png: the picture it was to begin with, PNG in base64.
        dream: its place among oracle dreams.
        labelled_episode, idm: its number before it was labelled, and the digest of the model that did it.
        gated_episode: its number before the gate.
        success: whether it reached its goal, where the source says so.
        policy: the checkpoint that acted in it, with its digest, its licences and the people it has learned from.
        interventions: rows in which a person acted in place of the policy.
        closed: what ended the recording of it: ``end_episode``, or that nothing more came.
    """

    simulator: str | None = None
    task: str | None = None
    seed: StrictInt | None = None
    target: str | None = None
    hand: str | None = None
    direction: str | None = None
    wrong_object: StrictBool | None = None
    shoves: StrictBool = False
    episode: str | None = None
    notes: tuple[str, ...] = ()
    alignment: Facts | None = None
    clip: str | None = None
    dataset: str | None = None
    video: str | None = None
    video_uid: str | None = None
    participant: str | None = None
    consent: str | None = None
    licence: str | None = None
    start_s: StrictFloat | None = None
    end_s: StrictFloat | None = None
    original: str | None = None
    absent: tuple[str, ...] = ()
    faces: Facts | None = None
    hands: Facts | None = None
    period_s: StrictFloat | None = None
    generated: Facts | None = None
    first_frame_png: str | None = None
    dream: StrictInt | None = None
    labelled_episode: StrictInt | None = None
    idm: str | None = None
    gated_episode: StrictInt | None = None
    success: StrictBool | None = None
    policy: Facts | None = None
    interventions: StrictInt | None = None
    closed: str | None = None


class StoreSource(Said):
    """What a store was made of: a drop, scenes of the simulator, or another store.

    Attributes:
        drop, format, content, mapping, settings, findings, added: the drop, its SHA-256, how it was read, what was odd
            about it, and which files it lacked.
        rewritten: column -> how its dimensions were put in the order and the units of the robot file; None: they were
            not.
        instruction: what a person said that the robot was asked to do, where the drop did not say it.
        refused: what was left out; None where nobody counted.
        simulator, episodes, seed, shoves: what was recorded (task -> episodes).
        oracle, labelled, gated, store: name of the store whose episodes were dreamt, labelled or judged; its digest.
        idm, timing: digest of the model that labelled, and its time step.
        thresholds, calibrated_on, slot, rejected: how the gate judged, and whom it left out.
        made_from: what that store said of itself; ``from`` in the file.
    """

    drop: str | None = None
    content: str | None = None
    settings: Facts | None = None
    format: str | None = None
    findings: tuple[str, ...] = ()
    mapping: Facts | None = None
    added: tuple[str, ...] = ()
    instruction: str | None = None
    rewritten: Facts | None = None
    refused: tuple[Refusal, ...] | None = None
    simulator: str | None = None
    episodes: Mapping[str, int] | None = None
    seed: StrictInt | None = None
    shoves: StrictBool = False
    oracle: str | None = None
    labelled: str | None = None
    gated: str | None = None
    store: str | None = None
    idm: str | None = None
    timing: Facts | None = None
    thresholds: Facts | None = None
    calibrated_on: str | None = None
    slot: StrictInt | None = None
    rejected: tuple[Facts, ...] | None = None
    made_from: Facts | None = Field(default=None, validation_alias="from", serialization_alias="from")


class StoreAbout(Said):
    """What a store says of itself in ``meta/about.json``.

    Attributes:
        embodiment: name of the robot or hand.
        absent: what no sensor recorded although the rows have a column for it; None: all of the state for the kind
            ``human``, else nothing.
        slot: slot of the model that its episodes train in place of their embodiment's; None: the embodiment's.
    """

    embodiment: str | None = None
    kind: Kind | None = None
    licence: str | None = None
    source: StoreSource = StoreSource()
    absent: tuple[str, ...] | None = Field(
        default=None, description="a list of 'state', 'state.<part>', 'action' or 'action.<part>'"
    )
    slot: StrictInt | None = Field(default=None, ge=0, lt=SLOTS, description=f"a number from 0 to {SLOTS - 1}")

    @field_validator("absent")
    @classmethod
    def _of_a_side(cls, absent: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if any(name.partition(".")[0] not in ("state", "action") for name in absent or ()):
            raise ValueError("neither of the state nor of the action")
        return absent


def wrong_field(error: ValidationError) -> str:
    """``source.idm is 3; expected a valid string``: the first field that is not what it must be."""
    first: Any = error.errors(include_url=False)[0]
    field = StoreAbout.model_fields.get(str(first["loc"][0])) if first["loc"] else None
    expected = (field and field.description) or first["msg"].removeprefix("Input should be ")
    return f"{'.'.join(map(str, first['loc'])) or 'it'} is {str(repr(first['input']))[:200]}; expected {expected}"
