"""Flow matching against values worked out by hand."""

import torch

from gr00t_model.groot import flow


def test_time_bucket_truncates_in_float32():
    times = torch.tensor([0.0, 0.29, 0.57, 0.75, 0.9999])
    assert flow.time_bucket(times, 1000).tolist() == [0, 290, 570, 750, 999]


def test_times_follow_beta_and_their_seed():
    generator = torch.Generator().manual_seed(0)
    times = flow.sample_time(20_000, alpha=1.5, s=0.999, generator=generator, device=torch.device("cpu"))
    u = 0.999 - 0.999 * times
    assert abs(float(u.mean()) - 0.6) < 0.01  # Beta(1.5, 1): mean 3/5, variance 12/175
    assert abs(float(u.var()) - 12 / 175) < 0.003
    again = flow.sample_time(20_000, 1.5, 0.999, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert torch.equal(times, again)


def test_the_path_starts_at_noise_and_ends_at_the_action():
    action, noise = torch.full((2, 1, 1), 3.0), torch.full((2, 1, 1), -1.0)
    assert flow.interpolate(action, noise, torch.tensor([0.0, 1.0])).flatten().tolist() == [-1.0, 3.0]
    assert flow.interpolate(action, noise, torch.tensor([0.25, 0.5])).flatten().tolist() == [0.0, 1.0]
    assert flow.target_velocity(action, noise).flatten().tolist() == [4.0, 4.0]


def test_masked_elements_do_not_count():
    predicted, target = torch.tensor([[[1.0, 9.0], [3.0, 9.0]]]), torch.zeros(1, 2, 2)
    mask = torch.tensor([[[True, False], [True, False]]])
    assert flow.masked_mse(predicted, target, mask) == 5.0
    assert flow.masked_mse(predicted, target, torch.zeros_like(mask)) == 0.0


def test_euler_sees_the_buckets_and_ends_where_a_constant_velocity_leads():
    buckets = []

    def velocity(point: torch.Tensor, bucket: int) -> torch.Tensor:
        buckets.append(bucket)
        return torch.full_like(point, 2.0)

    end = flow.euler(velocity, torch.ones(1, 1, 1), steps=4, buckets=1000)
    assert buckets == [0, 250, 500, 750]
    assert end.item() == 3.0
