"""What a server answers, by name. A new endpoint is one entry of a mapping like ``ENDPOINTS``."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field, ValidationError

from gr00t_data.integrity import first_fault
from gr00t_data.settings import Settings
from gr00t_model.acting.bounds import ActionError
from gr00t_model.acting.report import Answer
from gr00t_model.acting.running import Running, RunningError
from gr00t_model.acting.values import ObservationError
from gr00t_model.serve.desk import Desk, Endpoint, Peer, Refusal
from gr00t_model.serve.replay import Replay
from gr00t_model.serve.steps import MOST_CHARACTERS
from gr00t_model.serve.wire.call import Call, Modalities, modalities

_ROWS_NDIM = 5
"""Of a video with a batch dimension: [B, T, H, W, 3]."""


class Options(Settings):
    """What a request may say beside its observation; None: as the server was told."""

    seed: int | None = Field(default=None, ge=0, lt=2**63)
    denoising_steps: int | None = Field(default=None, ge=1, le=1000)
    action_horizon: int | None = Field(default=None, ge=1)
    rtc_overlap_steps: int | None = Field(default=None, ge=0)
    rtc_frozen_steps: int | None = Field(default=None, ge=0)
    rtc_ramp_rate: float | None = Field(default=None, gt=0)
    episode: str | None = Field(default=None, max_length=MOST_CHARACTERS)


def ping(desk: Desk, call: Call, peer: Peer) -> None:
    """Whether the server runs: each dialect has its words for it, as for all that answers None."""


def get_modality_config(desk: Desk, call: Call, peer: Peer) -> Modalities:
    """What an observation and an answer hold."""
    chosen = desk.actor.selection
    return modalities(chosen.cameras, chosen.state, chosen.action, desk.actor.horizon, chosen.language)


def get_action(desk: Desk, call: Call, peer: Peer) -> Mapping[str, object]:
    """The next chunk of actions."""
    options = _options(call)
    _check_rows(call, desk.settings.most_rows)
    running = _running(call, options)
    try:
        answer = desk.actor.act(
            call.observation, seed=options.seed, denoising_steps=options.denoising_steps, running=running
        )
    except (ObservationError, RunningError) as error:
        raise Refusal("refused", str(error)) from error
    except ActionError as error:
        raise Refusal("failed", str(error)) from error
    return answer.actions if options.action_horizon is None else _first(answer, options.action_horizon)


def _running(call: Call, options: Options) -> Running | None:
    """The chunk that is being executed: the last steps of ``action.<part>`` of the request, as dialect C means them."""
    overlap = options.rtc_overlap_steps
    if not overlap:
        if options.rtc_frozen_steps:
            raise Refusal("refused", "rtc_frozen_steps: is for a running chunk; give rtc_overlap_steps too")
        return None
    held = {key: value for key, value in call.observation.items() if str(key).startswith("action.")}
    if not held:
        raise Refusal("refused", "rtc_overlap_steps: give the running chunk beside the observation, as action.<part>")
    rate = {} if options.rtc_ramp_rate is None else {"ramp_rate": options.rtc_ramp_rate}
    try:
        last = {key: np.asarray(value)[..., -overlap:, :] for key, value in held.items()}
        return Running(last, overlap, options.rtc_frozen_steps or 0, **rate)
    except (RunningError, IndexError, ValueError) as error:
        raise Refusal("refused", f"the running chunk: {error}") from error


def _check_rows(call: Call, most: int) -> None:
    videos = (
        value for value in call.observation.values() if isinstance(value, np.ndarray) and value.ndim == _ROWS_NDIM
    )
    rows = max(map(len, videos), default=1)
    if rows > most:
        raise Refusal("refused", f"{rows} observations in one request, at most {most} (the server's --most-rows)")


def _first(answer: Answer, steps: int) -> dict[str, object]:
    """The first steps of a chunk: [T, D], or [B, T, D]; of squeezed ones [T]."""
    single = answer.report.single
    return {key: values[:steps] if single else values[:, :steps] for key, values in answer.actions.items()}


def _options(call: Call) -> Options:
    try:
        return Options.model_validate(dict(call.options))
    except ValidationError as error:
        there = ", ".join(Options.model_fields)
        raise Refusal("refused", f"options: {first_fault(error)}; there are {there}") from error


def reset(desk: Desk, call: Call, peer: Peer) -> None:
    """Begin anew; a policy remembers nothing, a replay begins its episode."""
    if isinstance(desk.actor, Replay):
        desk.actor.reset()


def kill(desk: Desk, call: Call, peer: Peer) -> None:
    """End the server."""
    desk.stopping.set()


ENDPOINTS: Mapping[str, Endpoint] = {
    "ping": Endpoint(ping),
    "get_modality_config": Endpoint(get_modality_config),
    "get_action": Endpoint(get_action, acts=True),
    "reset": Endpoint(reset, acts=True),
    "kill": Endpoint(kill, guarded=True),
}
