"""Flow matching: all of its mathematics, and nothing else.

Time runs from noise to data: x_t = (1 - t) * noise + t * action, so t = 0 is pure noise and t = 1 is the action.
The network predicts the velocity action - noise. (Schedule and constants: GR00T N1 report, arXiv 2503.14734, section 3,
with the values of the released N1.5 configuration.)
"""

from collections.abc import Callable

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


def euler(
    velocity: Callable[[Float[Tensor, "b t a"], int], Float[Tensor, "b t a"]],
    noise: Float[Tensor, "b t a"],
    steps: int,
    buckets: int,
) -> Float[Tensor, "b t a"]:
    """Integrate from noise (t = 0) to action (t = 1) in equal steps; ``velocity`` gets a point and its time bucket."""
    point = noise
    for bucket in step_buckets(steps, buckets):
        point = point + velocity(point, bucket) / steps
    return point


def step_buckets(steps: int, buckets: int) -> list[int]:
    """The time bucket of each Euler step: 0, 250, 500, 750 for four steps of a thousand buckets.

    Raises:
        DenoisingError: not a whole number of steps from 1 to ``buckets``.
    """
    steps = whole_steps(steps, buckets)
    return [int(step / steps * buckets) for step in range(steps)]
