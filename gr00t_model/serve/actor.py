"""What a server asks for actions: a policy, or whatever answers in its place."""

from typing import Protocol

from gr00t_data.embodiment.robot import Embodiment, Selection
from gr00t_model.acting.observation import Observation
from gr00t_model.acting.report import Answer, Session
from gr00t_model.acting.running import Running


class Actor(Protocol):
    """``Policy`` is one.

    Attributes:
        embodiment, selection: who acts: its parts, its cameras.
        horizon: steps of a chunk.
        session: counts over all calls.
    """

    @property
    def embodiment(self) -> Embodiment: ...

    @property
    def selection(self) -> Selection: ...

    @property
    def horizon(self) -> int: ...

    @property
    def session(self) -> Session: ...

    def act(
        self,
        observation: Observation,
        *,
        seed: int | None = None,
        denoising_steps: int | None = None,
        running: Running | None = None,
    ) -> Answer:
        """The next chunk, and how it came about; see ``Policy.act``."""
        ...
