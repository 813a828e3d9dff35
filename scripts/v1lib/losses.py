"""Losses between predicted and measured responses; NaN responses do not count.

Shapes: prediction, response [..., n, n_neurons]; leading axes are networks side by side. Each
returns one value per network [...].
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def mean_squared_error(prediction: Tensor, response: Tensor) -> Tensor:
    """Squared error, averaged over images and neurons together."""
    recorded = ~torch.isnan(response)
    error = torch.where(recorded, prediction - torch.nan_to_num(response), 0.0)
    return (error**2).sum((-2, -1)) / recorded.sum((-2, -1))


def poisson(prediction: Tensor, response: Tensor) -> Tensor:
    """Poisson loss, prediction - response log(prediction): mean of each neuron, then of neurons.

    A neuron without a response among these images adds 0. Source: Burg et al. 2021 (models.py).
    """
    recorded = ~torch.isnan(response)
    terms = _poisson_terms(prediction, response, epsilon=1e-9)
    return (terms.sum(-2) / recorded.sum(-2).clamp(min=1)).mean(-1)


def poisson_sum(prediction: Tensor, response: Tensor) -> Tensor:
    """Poisson loss, prediction - response log(prediction), summed over images and neurons.

    Source: Lurz et al. 2021, reference section 4.1; a training step multiplies it by
    ``scale_of_batch``.
    """
    return _poisson_terms(prediction, response, epsilon=1e-12).sum((-2, -1))


def scale_of_batch(n_trials: int, batch_size: int) -> float:
    """sqrt(N / B), by which Lurz et al. 2021 multiply the summed loss of a batch.

    Args:
        n_trials: all trials of the scan, those for validation and test among them, whatever
            part of it is trained on.
        batch_size: trials in this very batch.

    Raises:
        ValueError: a number is not positive.
    """
    if n_trials < 1 or batch_size < 1:
        raise ValueError(f"a batch of {batch_size} out of {n_trials} trials has no scale")
    return (n_trials / batch_size) ** 0.5


def cross_entropy(prediction: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of logits [..., n, n_classes] with labels [..., n], mean over images."""
    terms = prediction.logsumexp(-1) - prediction.gather(-1, label[..., None])[..., 0]
    return terms.mean(-1)


def _poisson_terms(prediction: Tensor, response: Tensor, *, epsilon: float) -> Tensor:
    terms = prediction - torch.nan_to_num(response) * torch.log(prediction + epsilon)
    return torch.where(torch.isnan(response), 0.0, terms)


SUMS = ("poisson_sum",)  # of responses; reported per response
LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": mean_squared_error,
    "poisson": poisson,
    "poisson_sum": poisson_sum,
    "cross_entropy": cross_entropy,
}
