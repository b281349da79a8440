"""Flow matching: all of its mathematics, and nothing else.

Time runs from noise to data: x_t = (1 - t) * noise + t * action, so t = 0 is pure noise and t = 1 is the action.
The network predicts the velocity action - noise. (Schedule and constants: GR00T N1 report, arXiv 2503.14734, section 3,
with the values of the released N1.5 configuration.)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gr00t_model.groot.denoising import whole_steps


def sample_time(
    rows: int, alpha: float, s: float, generator: torch.Generator | None, device: torch.device
) -> Float[Tensor, " b"]:
    """t = (s - u) / s with u ~ Beta(alpha, 1): in about (-0.001, 1], with most of its mass near 0, the noise.

    Beta(alpha, 1) has the distribution function u**alpha, so a uniform number to the power 1/alpha samples it.
    """
    uniform = sample_uniform(rows, generator, _generator_device(generator, device))
    return ((s - uniform ** (1 / alpha)) / s).to(device)


def sample_uniform(rows: int, generator: torch.Generator | None, device: torch.device) -> Float[Tensor, " b"]:
    """Uniform float32 in [0, 1), drawn on the generator's device."""
    return torch.rand(rows, generator=generator, device=_generator_device(generator, device)).to(device)


def sample_noise(
    shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device
) -> Float[Tensor, "..."]:
    """Standard normal float32, drawn on the generator's device so that a seed means the same numbers there."""
    return torch.randn(shape, generator=generator, device=_generator_device(generator, device)).to(device)


def _generator_device(generator: torch.Generator | None, device: torch.device) -> torch.device:
    return device if generator is None else generator.device


def interpolate(
    action: Float[Tensor, "b t a"], noise: Float[Tensor, "b t a"], time: Float[Tensor, " b"]
) -> Float[Tensor, "b t a"]:
    """The point at ``time`` on the straight path from noise to action."""
    t = time[:, None, None]
    return (1 - t) * noise + t * action


def target_velocity(action: Float[Tensor, "b t a"], noise: Float[Tensor, "b t a"]) -> Float[Tensor, "b t a"]:
    """The derivative of that path, the same at every time."""
    return action - noise


def time_bucket(time: Float[Tensor, " b"], buckets: int) -> Int[Tensor, " b"]:
    """Truncate time * buckets to an integer. In float32 on purpose: 0.29 * 1000 is 290 there and 289 in float64."""
    return (time.float() * buckets).long()


def masked_mse(
    predicted: Float[Tensor, "b t a"], target: Float[Tensor, "b t a"], mask: Bool[Tensor, "b t a"]
) -> Float[Tensor, ""]:
    """Mean squared error over the elements where ``mask`` is true; 0 when there is none."""
    weight = mask.to(predicted.dtype)
    return ((predicted - target) ** 2 * weight).sum() / weight.sum().clamp(min=1)


@dataclass(frozen=True)
class Overlap:
    """The first k steps of a chunk, which go on from the running one (real-time chunking, without a gradient).

    Attributes:
        action: normalised steps of the running chunk.
        freedom: the share of the predicted velocity that each step follows: 0 is frozen, 1 is free.
    """

    action: Float[Tensor, "b k a"]
    freedom: Float[Tensor, " k"]

    def steer(
        self, velocity: Float[Tensor, "b t a"], point: Float[Tensor, "b t a"], time: float
    ) -> Float[Tensor, "b t a"]:
        """``velocity`` at ``point`` and ``time``, mixed with the one that ends in the running chunk.

        A frozen step so lies on the path from its noise to its action at every time: what the network saw in training.
        """
        steps, free = self.action.shape[1], self.freedom[:, None]
        home = (self.action - point[:, :steps]) / (1 - time)
        return torch.cat([free * velocity[:, :steps] + (1 - free) * home, velocity[:, steps:]], dim=1)


def euler(
    velocity: Callable[[Float[Tensor, "b t a"], int], Float[Tensor, "b t a"]],
    noise: Float[Tensor, "b t a"],
    steps: int,
    buckets: int,
    overlap: Overlap | None = None,
) -> Float[Tensor, "b t a"]:
    """Integrate from noise (t = 0) to action (t = 1) in equal steps; ``velocity`` gets a point and its time bucket."""
    point = noise
    for step, bucket in enumerate(step_buckets(steps, buckets)):
        towards = velocity(point, bucket)
        if overlap is not None:
            towards = overlap.steer(towards, point, step / steps)
        point = point + towards / steps
    return point


def step_buckets(steps: int, buckets: int) -> list[int]:
    """The time bucket of each Euler step: 0, 250, 500, 750 for four steps of a thousand buckets.

    Raises:
        DenoisingError: not a whole number of steps from 1 to ``buckets``.
    """
    steps = whole_steps(steps, buckets)
    return [int(step / steps * buckets) for step in range(steps)]
