"""How a policy is served, and which: library and shell read the same."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gr00t_data.settings import Settings
from gr00t_model.acting.settings import Bounds

RECORDED_WITHIN_S = 10.0
"""How long the end of a server that records waits for what is still to be encoded."""


class Listening(Settings):
    """Where, and what a client may take of the machine."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 lets other machines in."
    )
    port: int = Field(default=5555, ge=0, le=65535, description="Port of ZeroMQ; 0 takes any that is free.")
    http: int | None = Field(
        default=None, ge=0, le=65535, description="Port of HTTP beside it: /act, /health, /metrics."
    )
    websocket: int | None = Field(default=None, ge=0, le=65535, description="Port of openpi's websocket protocol.")
    dialect: Literal["A", "B", "C"] = Field(
        default="A", description="For requests that every client writes alike: A is N1.5's, B N1.6's, C N1.7's."
    )
    queue: int = Field(
        default=16, ge=1, le=1024, description="Requests that may wait; one more is answered with an error at once."
    )
    queue_each: int = Field(default=2, ge=1, le=1024, description="Of them, those of one client.")
    longest_s: float = Field(
        default=30.0, gt=0, description="Seconds after which a request is answered with an error, and forgotten."
    )
    largest_mb: float = Field(default=64.0, gt=0, le=1024, description="Largest request in MB.")
    most_rows: int = Field(default=64, ge=1, le=1024, description="Most observations in one request.")

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = [port for port in (self.port, self.http, self.websocket) if port]
        if len(set(ports)) < len(ports):
            raise ValueError("port and http and websocket must be different ports")
        return self

    @property
    def largest_bytes(self) -> int:
        """Of one request; a larger one is answered with an error."""
        return int(self.largest_mb * 1e6)

    @property
    def dropped_bytes(self) -> int:
        """Of a request that is not even read to its end: its connection ends."""
        return 2 * self.largest_bytes


class Served(Settings):
    """Who acts, and how."""

    embodiment: str = Field(
        default="", description="The robot that acts, by name or YAML; needed for a folder that others made."
    )
    selection: str = Field(default="", description="Its parts and cameras; else those of the training.")
    tag: str = Field(default="", description="Published folders: whose statistics and slot act; else the robot's.")
    tokenizer: str = Field(default="", description="Published folders that come without one: its folder.")
    device: str = Field(default="", description="cpu, cuda, cuda:1; else the GPU where there is one.")
    dtype: Literal["", "float32", "bfloat16", "float16"] = Field(
        default="", description="Of the weights: float32, bfloat16 or float16; else as they are stored."
    )
    denoising_steps: int | None = Field(
        default=None, ge=1, le=1000, description="Where a request does not say; else the model's."
    )
    seed: int = Field(default=0, ge=0, description="Of the noise, where a request does not say.")
    published_behaviour: bool = Field(
        default=False,
        description="Write instructions in brackets and drop axes of length one, as the published policy does.",
    )
    replay: str = Field(default="", description="Serve the recorded actions of this store in place of a model.")
    record: str = Field(
        default="", description="Record what the policy acts as drops of this name, for example lake/landing/night."
    )
    record_licence: str = Field(default="own", description="Of --record: the licence of what the cameras see.")
    episode: int | None = Field(default=None, ge=0, description="Of --replay: which; else the first one.")

    @model_validator(mode="after")
    def _episode_of_a_replay(self) -> Self:
        if self.episode is not None and not self.replay:
            raise ValueError("episode is for replay")
        if self.record and self.replay:
            raise ValueError("record is for a policy, and replay has none")
        return self


class ServeSettings(Settings):
    """All of it."""

    listening: Listening = Listening()
    served: Served = Served()
    bounds: Bounds = Bounds()
