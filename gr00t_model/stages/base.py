"""The grounded base as a stage."""

from pathlib import Path

from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_data.progress import Progress
from gr00t_model.loop.config import Machine
from gr00t_model.loop.stop import StopRequest
from gr00t_model.loop.tracking import with_trackers
from gr00t_model.stages.settings import GroundSettings
from gr00t_model.training.key import base_digest


def base_model(
    lake: Lake,
    settings: GroundSettings = GroundSettings(),
    *,
    progress: Progress = lambda done, total: None,
    stop: StopRequest | None = None,
) -> tuple[Path, str]:
    """The base of the nano preset: a vision-language model that points at named objects, learnt from simulator stills.

    Returns:
        its folder and digest; made once for the same arguments and code. It becomes ``base_nano`` of the lake.

    Raises:
        Stopped: ``stop`` said so.
    """
    from gr00t_model.grounding.key import GroundingConfig, grounding_key

    with_trackers(Machine(), settings.track)  # one that is not there is told before the stills are rendered
    config = GroundingConfig(track=tuple(settings.track))
    folder = lake.bases / grounding_key(settings.stills, settings.seed, config)[:16]
    with locked(lake.root / "locks" / "base_nano"):  # who comes second finds it made
        if not folder.is_dir():
            from gr00t_model.grounding.ground import ground

            ground(settings.stills, settings.seed, lake.bases, progress, config, stop)
    digest = base_digest(folder)
    lake.point("base_nano", folder, digest)
    return folder, digest
