"""What is exported: a checkpoint of ours or a published folder, with everything a policy needs of it."""

from dataclasses import dataclass
from pathlib import Path

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_model.acting.onnx.folder import Robot
from gr00t_model.acting.onnx.layout import OnnxError, is_onnx
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import Prompt
from gr00t_model.groot.weights.eval_transform import centre_crop_of
from gr00t_model.groot.weights.published_folder import is_published, open_published
from gr00t_model.lineage.digests import model_digest, require_unchanged
from gr00t_model.policy import Policy
from gr00t_model.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class Acting:
    """How a published folder acts, as ``Policy.from_checkpoint`` takes it; a checkpoint of ours says it itself.

    Attributes:
        embodiment: name or YAML of the robot; needed.
        tag, tokenizer: None: the robot's name, the folder itself.
    """

    embodiment: str = ""
    tag: str | None = None
    tokenizer: str | None = None


@dataclass(frozen=True)
class Source:
    """An opened checkpoint.

    Attributes:
        digest: SHA-256 over names and bytes of its files, which were compared with their record.
        model: float32, in evaluation mode.
        manifest: the mixture of the first robot; a published folder has none.
    """

    folder: Path
    digest: str
    model: Groot
    prompt: Prompt
    robots: tuple[Robot, ...]
    centre_crop: bool
    manifest: MixtureManifest | None

    @property
    def policy(self) -> Policy:
        """It, acting for its first robot."""
        first = self.robots[0]
        return Policy(
            self.model,
            self.prompt,
            first.embodiment,
            first.statistics,
            first.selection,
            acting_steps=first.acting_steps,
            centre_crop=self.centre_crop,
        )


def open_source(folder: Path, acting: Acting = Acting()) -> Source:
    """Open what is to be exported.

    Raises:
        OnnxError: it is an exported folder itself.
        IntegrityError, CheckpointError, MetadataError, PromptError: as ``Policy.from_checkpoint``.
    """
    if is_onnx(folder):
        raise OnnxError(f"{folder}: was exported already; give the checkpoint it was made of")
    require_unchanged(folder, asked=True)
    digest, crop = model_digest(folder), centre_crop_of(folder)
    if is_published(folder):
        found = open_published(folder, acting.embodiment or None, tag=acting.tag, tokenizer=acting.tokenizer)
        robots = (Robot(found.embodiment, found.statistics, None, None),)
        return Source(folder, digest, found.model.float(), found.prompt, robots, crop, None)
    checkpoint = Checkpoint.load(folder)
    robots = tuple(
        Robot(one.embodiment, one.statistics, one.manifest.selection, one.acting_steps) for one in checkpoint.members
    )
    model = checkpoint.model().float()
    return Source(folder, digest, model, checkpoint.prompt(), robots, crop, checkpoint.manifest)
