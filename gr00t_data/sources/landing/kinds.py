"""Who reads a drop: demonstrations, generated clips and people's own video have readers of their own."""

from collections.abc import Callable
from pathlib import Path

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.lerobot import v2 as lerobot_v2
from gr00t_data.sources.content import require_no_links_out, store_name
from gr00t_data.sources.human.settings import HumanSettings
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.told import Told
from gr00t_data.sources.untold import require_instruction
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError


def ingest_as(
    kind: Kind,
    drop: Path,
    embodiment: Embodiment,
    lake: Lake,
    *,
    name: str,
    licence: str,
    progress: Callable[[int, int], None],
    human: HumanSettings | None = None,
    told: Told = Told(),
) -> EpisodeStore:
    """Ingest a drop as what it is.

    ``neural``: generated clips, unless the drop is a GR00T-LeRobot dataset, which has its labels already. ``human``:
    egocentric video; each video brings the licence of its dataset. Else demonstrations of a robot.

    Args:
        human: how egocentric video is cut, labelled and protected; None: as the library does by itself.
        told: what a recording does not say of itself.

    Raises:
        StoreError: a link leads out of the drop; and see ``ingest``, ``sources.neural.ingest.ingest_clips``,
            ``sources.human.ingest.ingest_human``.
    """
    require_no_links_out(drop)
    if kind == "human":
        from gr00t_data.sources.human.ingest import ingest_human

        settings = human or HumanSettings()
        stated = settings.licence or (None if licence == "unknown" else licence)
        settings = settings.model_copy(update={"licence": stated})
        return ingest_human(drop, embodiment, lake, name=name, settings=settings, progress=progress)
    if kind == "neural" and not lerobot_v2.recognises(drop):
        from gr00t_data.sources.neural.finding import ClipsError
        from gr00t_data.sources.neural.ingest import ingest_clips

        try:
            return ingest_clips(drop, embodiment, lake, name=name, licence=licence, progress=progress)
        except ClipsError as error:
            raise StoreError(str(error)) from error
    remedy = "write `instruction: TEXT` into its marker _SUCCESS"
    if not (lake.stores / store_name(name) / SEAL).is_file():
        require_instruction(drop, embodiment, None, told, remedy)
    return ingest(drop, embodiment, lake, name=name, kind=kind, licence=licence, told=told, progress=progress)
