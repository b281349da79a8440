"""A model whose seven parts are run one by one, by onnxruntime or whatever else runs them; the rest is done here.

The words, the projector of the picture tokens, the order of the DiT's sequence and the denoising loop are no part of an
export: they are those of ``gr00t_model.groot``, over the few weights that they need.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol, Self

import onnxruntime
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gr00t_data.batches.batch import Batch
from gr00t_model.acting.onnx.layout import PARTS, OnnxError
from gr00t_model.groot import flow
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.vision import pixels_of

Given = Mapping[str, Tensor]
_TYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(int64)": torch.int64}
_IN_PYTHON = (
    "backbone.eagle_model.mlp1.",
    "backbone.eagle_model.language_model.model.embed_tokens.",
    "action_head.position_embedding.",
    "action_head.future_tokens.",
    "action_head.missing_state.",
)
"""Parameters that no part holds."""


class Runs(Protocol):
    """What computes one part."""

    @property
    def inputs(self) -> Collection[str]:
        """Names of what it takes."""
        ...

    def __call__(self, given: Given) -> Tensor:
        """Its output, float32; ``given`` may hold more than it takes."""
        ...


class OnnxPart:
    """One file, run by onnxruntime on the CPU with as many threads as torch has (``OMP_NUM_THREADS``)."""

    def __init__(self, path: Path):
        """Raises:
        OnnxError: onnxruntime cannot read the file.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        # Threads that spin while they wait take the processor from whatever else runs on the robot.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors; it warns of every constant that it folds
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's own, in C++, have no class in common
            raise OnnxError(f"{path}: onnxruntime cannot read it ({error}); export the checkpoint again") from error
        self._types = {one.name: _TYPES[one.type] for one in self._session.get_inputs()}

    @property
    def inputs(self) -> Collection[str]:
        """Names of what it takes."""
        return self._types.keys()

    @property
    def facts(self) -> dict[str, str]:
        """What the exporter wrote into the file."""
        return self._session.get_modelmeta().custom_metadata_map

    def __call__(self, given: Given) -> Tensor:
        """See ``Runs``."""
        taken = {name: given[name].to(kind).numpy() for name, kind in self._types.items()}
        return torch.from_numpy(self._session.run(None, taken)[0]).float()


class PartsModel:
    """``Groot.get_action`` over parts. Acts on the CPU; does not train."""

    device = torch.device("cpu")

    def __init__(self, config: GrootConfig, tensors: Given, parts: Mapping[str, Runs]):
        """Args:
        tensors: those of ``python_tensors``.
        parts: by the names of ``layout.PARTS``.

        Raises:
            OnnxError: parts or tensors are missing.
        """
        if missing := [part for part in PARTS if part not in parts]:
            raise OnnxError(f"lacks {', '.join(missing)}; export the checkpoint again")
        self.config, self._parts = config, parts
        with torch.device("meta"):
            self._groot = Groot(config).eval()
        wanted = python_names(self._groot)
        if missing := sorted(wanted - tensors.keys()):
            raise OnnxError(f"lacks the weights {', '.join(missing)}; export the checkpoint again")
        self._groot.load_state_dict({name: tensors[name].float() for name in wanted}, strict=False, assign=True)
        if "attention_mask" not in parts["DiT"].inputs and not config.published_behaviour:
            raise OnnxError("DiT: takes no attention_mask, but the model masks padding; export the checkpoint again")

    def eval(self) -> Self:
        """Itself: parts have no other mode."""
        return self

    def seen(self, batch: Batch) -> Float[Tensor, "b n d"]:
        """The adapted features of a batch with images and a prompt."""
        assert batch.images is not None and batch.input_ids is not None and batch.attention_mask is not None
        vision, backbone = self.config.backbone.vision, self._groot.backbone
        pixels = pixels_of(batch.images, vision.image_size, batch.view_mask)
        ids, mask = batch.input_ids, batch.attention_mask
        views = len(pixels) // len(ids) if batch.view_mask is None else batch.view_mask.sum(dim=1)
        places = torch.arange(vision.tokens_per_image).expand(len(pixels), -1)
        asked = {"input_ids": _each(ids, views), "attention_mask": _each(mask, views), "position_ids": places}
        tokens = self._parts["vit"]({"pixel_values": pixels, **asked})
        sequence = backbone.encoder.sequence(tokens, ids)
        features = self._parts["llm"]({"inputs_embeds": sequence, "attention_mask": mask})
        return self._parts["vlln_vl_self_attention"]({"backbone_features": features, "attention_mask": mask})

    @torch.no_grad()
    def get_action(
        self,
        batch: Batch,
        steps: int | None = None,
        generator: torch.Generator | None = None,
        overlap: flow.Overlap | None = None,
        *,
        noise: Float[Tensor, "b t a"] | None = None,
    ) -> Float[Tensor, "b t a"]:
        """As ``Groot.get_action``."""
        head = self.config.action_head
        if noise is None:
            noise = flow.sample_noise((len(batch), head.action_horizon, head.action_dim), generator, self.device)
        steps = head.num_inference_timesteps if steps is None else steps
        return flow.euler(self._velocity(batch), noise, steps, head.num_timestep_buckets, overlap)

    def _velocity(self, batch: Batch) -> Callable[[Float[Tensor, "b t a"], int], Float[Tensor, "b t a"]]:
        head, parts, slots = self._groot.action_head, self._parts, {"embodiment_id": batch.embodiment_id}
        seen = {"vl_embs": self.seen(batch), "attention_mask": batch.attention_mask}
        encoded = parts["state_encoder"]({"state": batch.state, **slots})
        state = head.state_token(encoded, batch.state_mask)

        def velocity(action: Float[Tensor, "b t a"], bucket: int) -> Float[Tensor, "b t a"]:
            time = {"timesteps_tensor": torch.full((len(action),), bucket)}
            tokens = head.sequence(state, parts["action_encoder"]({"actions": action, **time, **slots}))
            output = parts["DiT"]({"sa_embs": tokens, **seen, **time})
            return parts["action_decoder"]({"model_output": output, **slots})[:, -action.shape[1] :]

        return velocity


def _each(rows: Int[Tensor, "b k"], views: int | Int[Tensor, " b"]) -> Int[Tensor, "n k"]:
    """The row of every picture."""
    return rows.repeat_interleave(views, dim=0)


def python_names(model: Groot) -> set[str]:
    """Names of the parameters that no part holds."""
    return {name for name, _ in model.named_parameters() if name.startswith(_IN_PYTHON)}


def python_tensors(model: Groot) -> dict[str, Tensor]:
    """Those parameters."""
    names = python_names(model)
    return {name: parameter.detach() for name, parameter in model.named_parameters() if name in names}
