"""The average follows the parameters, also after a wrapper for several processes gave them other memory."""

import torch
from torch import nn

from gr00t_model.loop.optimizer import AveragedWeights


def moved_and_changed(average: AveragedWeights, model: nn.Linear) -> None:
    """What wrapping and then an optimizer step do to a parameter: the same object, other memory, another value."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    with torch.no_grad():
        model.weight.fill_(3.0)
    average.update(0)


def test_the_average_follows_parameters_that_moved():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    average = AveragedWeights(model, 0.9)
    moved_and_changed(average, model)
    assert torch.allclose(average.weights["weight"], torch.tensor([[0.1 * 1.0 + 0.9 * 3.0]]))  # decay 1 / 10 at step 0


def test_without_a_decay_the_last_weights_are_exported():
    model = nn.Linear(1, 1, bias=False)
    average = AveragedWeights(model, 0.0)
    moved_and_changed(average, model)
    assert average.exported()["weight"].item() == 3.0 and average.weights == {}
