"""Faster products on a CPU: they stay float32, and the settings come back."""

import pytest
import torch

from gr00t_model.groot.cpu_products import fast_products, use_fast_products


@pytest.fixture(autouse=True)
def settings():
    before = torch.get_float32_matmul_precision(), torch.backends.cuda.flash_sdp_enabled()
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cuda.enable_flash_sdp(before[1])


def relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    exact = a.double() @ b.double()
    return float(((a @ b).double() - exact).norm() / exact.norm())


@pytest.mark.skipif(torch.cuda.is_available(), reason="the settings of a GPU stay as they are")
def test_products_stay_float32_and_settings_come_back() -> None:
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.enable_flash_sdp(True)
    a, b = torch.randn(2, 384, 384, generator=torch.Generator().manual_seed(3))
    with fast_products():
        assert relative_error(a, b) < 1e-6
    assert torch.get_float32_matmul_precision() == "highest" and torch.backends.cuda.flash_sdp_enabled()


def test_fused_attention_goes_with_the_other_products() -> None:
    chosen = use_fast_products()
    assert torch.get_float32_matmul_precision() == ("medium" if chosen else "highest")
    assert torch.backends.cuda.flash_sdp_enabled() != chosen
