"""What is served, opened; and what is said of it when a server starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gr00t_data.embodiment.robot import Camera, Part, load_embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_model.acting.settings import Bounds
from gr00t_model.serve.actor import Actor
from gr00t_model.serve.replay import Replay
from gr00t_model.serve.settings import Served
from gr00t_model.serve.wire.call import TOKEN

if TYPE_CHECKING:
    from gr00t_model.serve.rollouts.recording import Recorder

Facts = dict[str, object]


@dataclass(frozen=True)
class Opened:
    """What acts, and what is known of it.

    Attributes:
        facts: of the model, or of the episode in its place.
    """

    actor: Actor
    facts: Facts = field(default_factory=dict)


def opened_replay(store: EpisodeStore, settings: Served) -> Opened:
    """An episode of a store in place of a model; errors as ``Replay.of``."""
    robot = load_embodiment(settings.embodiment or store.about.embodiment or "gr1").fitting(store.cameras)
    replay = Replay.of(store, robot, settings.selection or None, settings.episode)
    facts = {"replays": str(store.root), "digest": store.digest, "episode": replay.episode, "rows": replay.length}
    return Opened(replay, facts)


def opened_policy(folder: Path, settings: Served, bounds: Bounds) -> Opened:
    """A checkpoint of ours, a published folder, or an exported one; errors as ``Policy.from_checkpoint``."""
    import torch

    from gr00t_model.acting.onnx.layout import is_onnx
    from gr00t_model.groot.model import Groot
    from gr00t_model.lineage.digests import model_digest
    from gr00t_model.policy import Policy

    policy = Policy.from_checkpoint(
        folder,
        embodiment=settings.embodiment or None,
        selection=settings.selection or None,
        tag=settings.tag or None,
        tokenizer=settings.tokenizer or None,
        device=settings.device or ("cuda" if torch.cuda.is_available() and not is_onnx(folder) else "cpu"),
        dtype=getattr(torch, settings.dtype) if settings.dtype else None,
        denoising_steps=settings.denoising_steps,
        seed=settings.seed,
        published_behaviour=settings.published_behaviour,
        bounds=bounds,
    )
    dtype = "as exported, onnxruntime"
    if isinstance(policy.model, Groot):
        dtype = ", ".join({str(one.dtype).removeprefix("torch.") for one in policy.model.parameters()})
    verified = "its files are the recorded ones" if policy.verified else "nothing is recorded of its files"
    steps = policy.denoising_steps or policy.model.config.action_head.num_inference_timesteps
    facts: Facts = {"checkpoint": str(folder), "digest": model_digest(folder), "integrity": verified}
    return Opened(policy, facts | {"denoising steps": steps, "device": str(policy.model.device), "dtype": dtype})


def opened_recorder(opened: Opened, folder: Path, settings: Served) -> "Recorder":
    """What records the rollouts of a policy; errors as ``Recorder`` and ``acting_policy``."""
    from gr00t_model.lineage.acted import acting_policy
    from gr00t_model.serve.rollouts.recording import Recorder

    actor = opened.actor
    policy = acting_policy(folder)
    return Recorder(
        Path(settings.record), actor.embodiment, actor.selection, actor.horizon, policy, licence=settings.record_licence
    )


def described(actor: Actor) -> Facts:
    """Who acts, for clients too."""
    robot, selection = actor.embodiment, actor.selection
    acts: Facts = {"embodiment": robot.name, "slot": robot.slot, "selection": selection.name}
    return acts | {"horizon": actor.horizon, "control_hz": robot.control_hz, "keys": keys(actor)}


def told(opened: Opened, addresses: Mapping[str, str], guarded: bool) -> Facts:
    """What acts, where it listens, and who may ask."""
    actor = opened.actor
    robot, selection = actor.embodiment, actor.selection
    acts: Facts = {"embodiment": robot.name, "slot": robot.slot, "selection": selection.name}
    acts |= {"chunk": f"{actor.horizon} steps at {robot.control_hz:g} Hz"}
    who = "whoever brings the token" if guarded else f"everybody who reaches the port ({TOKEN} sets a token)"
    return {**opened.facts, **acts, **{f"listens, {name}": where for name, where in addresses.items()}, "answers": who}


def keys(actor: Actor) -> list[dict[str, str]]:
    """The keys of an observation and of an answer, with shapes and units, as rows of a table."""
    robot, selection = actor.embodiment, actor.selection
    cameras = {camera.name: camera for camera in robot.cameras}
    rows = [_row(f"video.{name}", "uint8 [1, H, W, 3]", _size(cameras[name])) for name in selection.cameras]
    rows += [_part_row(f"state.{name}", "1", robot.state_part(name)) for name in selection.state]
    rows.append(_row(selection.language, "list of one text", "the instruction"))
    answered = (_part_row(f"action.{name}", str(actor.horizon), robot.action_part(name)) for name in selection.action)
    return [*rows, *answered]


def _part_row(key: str, steps: str, part: Part) -> dict[str, str]:
    return _row(key, f"float [{steps}, {part.dim}]", part.unit)


def _size(camera: Camera) -> str:
    return f"RGB, {camera.width} x {camera.height} px" if camera.width and camera.height else "RGB, px of any number"


def _row(key: str, value: str, unit: str) -> dict[str, str]:
    return {"key": key, "value": value, "unit": unit}
