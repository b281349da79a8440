"""Float32 matrix products of a CPU through oneDNN where that loses no accuracy: twice as fast on processors by AMD.

Torch multiplies float32 matrices with MKL, which uses half of what such a processor can do. Its setting "medium" lets
it use oneDNN instead. That setting also permits products of bf16 numbers, which a processor with tile instructions
(AMX) then takes; there the setting stays as it was, and MKL is fast.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SIZE = 256  # large enough for torch to hand the product on
_FLOAT32_ERROR = 1e-5
"""Root mean square of the error over that of the products: 2e-7 in float32 at this size, 2e-3 with bf16 factors."""


def use_fast_products() -> bool:
    """Choose oneDNN for the float32 products of this process, if they stay float32. Returns whether they did.

    Torch's fused attention multiplies many tiny blocks, for each of which oneDNN prepares anew: it is switched off
    along with it, and attention is made of whole products.
    """
    torch.set_float32_matmul_precision("medium")
    exact = _error() < _FLOAT32_ERROR
    if not exact:
        torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.enable_flash_sdp(not exact)  # whatever its name says, this is the CPU's switch too
    return exact


@contextmanager
def fast_products() -> Iterator[None]:
    """``use_fast_products`` for a while, on machines without a GPU; afterwards everything is as it was."""
    if torch.cuda.is_available():
        yield
        return
    precision, fused = torch.get_float32_matmul_precision(), torch.backends.cuda.flash_sdp_enabled()
    use_fast_products()
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cuda.enable_flash_sdp(fused)


def _error() -> float:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, _SIZE, _SIZE, generator=generator)
    exact = a.double() @ b.double()
    return float(((a @ b).double() - exact).square().mean().sqrt() / exact.square().mean().sqrt())
