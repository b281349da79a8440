"""How footage of people becomes clips: settings that library, shell and graph share. Nothing heavy."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gr00t_data.settings import Settings


class ClipSettings(Settings):
    """How footage is cut. Speeds are longer sides of the picture that the view moves a second."""

    head_limit: float = Field(
        default=0.6,
        ge=0.05,
        description="Fastest view that is kept, longer sides of the picture a second; 0.6 is about 54 degrees a second "
        "for a lens that sees 90 degrees.",
    )
    mask_longest_s: float = Field(
        default=0.5, ge=0, description="A fast turn that is no longer is masked; a longer one splits the clip."
    )
    calm_least: float = Field(default=0.5, ge=0, le=1, description="Share of a narrated stretch that must be calm.")
    # 1 s leaves the frame that FLARE predicts, 16 rows of 20 Hz ahead, inside the clip
    shortest_s: float = Field(
        default=1.0, ge=0.2, description="Shortest clip, seconds; shorter pieces are widened where the view is calm."
    )
    longest_s: float = Field(
        default=10.0, ge=0.2, description="Longest clip, seconds; longer pieces are divided evenly."
    )
    point_cap_s: float = Field(
        default=8.0, gt=0, description="Longest stretch around a narration that is a point in time, seconds."
    )
    largest_overlap: float = Field(
        default=0.5, ge=0, le=1, description="Share of the shorter of two clips that they may share; 1 keeps all."
    )
    instruction: str | None = Field(
        default=None, description="What is done in videos that nobody narrated; else they are left."
    )
    looks_every_s: float = Field(
        default=0.5, gt=0, description="Distance of the looks of the coarse pass for head motion, seconds."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.shortest_s > self.longest_s:
            raise ValueError(f"shortest_s {self.shortest_s:g} must be above 0 and at most longest_s {self.longest_s:g}")
        return self


class Pictures(Settings):
    """How the pictures of clips are made.

    At 640 px a face too small to be found (24 px) is 10 px wide in a stored picture of 256: nobody can be known by it,
    and ten seconds of 30 Hz take 200 MB.
    """

    working_px: int = Field(
        default=640, ge=64, description="Longer side at which faces are looked for; larger pictures are shrunk to it."
    )
    undistort: bool = Field(default=True, description="Straighten a fisheye picture when the camera is known.")


class LabelSettings(Settings):
    """How tracks become rows. Action-free clips are not slowed.

    A slow-down of 4 is what the human-and-humanoid co-training of Qiu et al. (arXiv 2503.13441) uses. The longest gap
    is a choice of ours: one period of 5 Hz, below which most of the motion of a wrist at daily work lies (Mann, Werner
    and Palmer, J. Orthop. Res. 1989). For the share of visible hands no standard value is published.
    """

    slow_down: float = Field(
        default=4.0, ge=1, le=20, description="Wrist labels: seconds of the robot for one of the person."
    )
    longest_gap_s: float = Field(
        default=0.2, ge=0, le=1, description="Wrist labels: longest gap in a track that is filled, seconds."
    )
    visible_share: float = Field(
        default=0.6, ge=0, le=1, description="Share of the rows that should show a hand; kept for the check."
    )


class HumanSettings(Settings):
    """How a drop of egocentric video becomes a store, and what is stated for footage that does not say it itself."""

    embodiment: str = Field(
        default="",
        description="What clips become rows of: gr1 without labels (FLARE alone learns from them), human_hands with "
        "wrist labels; that is also the default.",
    )
    clips: ClipSettings = ClipSettings()
    pictures: Pictures = Pictures()
    labels: Literal["action-free", "wrist"] = Field(
        default="action-free",
        description="action-free: pictures and words. wrist: only hands known in space.",
    )
    wrists: LabelSettings = LabelSettings()
    hands: str | None = Field(
        default=None,
        pattern="^mediapipe$",
        description="mediapipe looks for hands where no file of tracks lies (see `gr00t hands`).",
    )
    faces: Literal["auto", "none"] = Field(
        default="auto", description="auto hides faces; none states that nobody's face is in the videos."
    )
    licence: str | None = Field(
        default=None, description="Licence; added to one that the dataset is known to have, never instead of it."
    )
    consent: str | None = Field(
        default=None, description="What the people agreed to, for footage that does not say it."
    )
    participant: str | None = Field(
        default=None, description="Who wore the camera, for footage that does not say it; for withdrawals."
    )

    @property
    def robot(self) -> str:
        """Name or path of the embodiment that clips become rows of."""
        return self.embodiment or ("human_hands" if self.labels == "wrist" else "gr1")

    def to_dict(self) -> dict[str, object]:
        """JSON-able, as stores say how they were made; their embodiment stands in the store itself."""
        return self.model_dump(mode="json", exclude={"embodiment"})
