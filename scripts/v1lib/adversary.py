"""Noise that follows the loss upwards while a classifier learns: "free" adversarial training.

Each batch is replayed several times; the backward pass that updates the weights also updates the
noise, which is kept from batch to batch. Source: Shafahi et al. 2019 (arXiv 1904.12843) with the
settings of its public ImageNet implementation; Pogoncheff et al. 2023 do not give theirs
(reference section 4.3).
"""

import torch
from torch import Tensor


class Adversary:
    """The noise of one network in training.

    Args:
        epsilon: largest change of a pixel, as a share of the range of the images.
        step_size: change of the noise at each replay, likewise.
        replays: of each batch.
    """

    def __init__(self, *, epsilon: float, step_size: float, replays: int) -> None:
        self.epsilon, self.step_size, self.replays = epsilon, step_size, replays
        self.noise: Tensor | None = None
        self._current: Tensor | None = None

    def perturbed(self, images: Tensor) -> Tensor:
        """Images with the present noise, kept within their range.

        Args:
            images: [n_members, n, C, H, W] in [-1, 1].
        """
        if self.noise is None or self.noise.shape[1] < images.shape[1]:
            self.noise = torch.zeros_like(images)
        self._current = self.noise[:, : images.shape[1]].clone().requires_grad_()
        return (images + 2 * self._current).clamp(-1, 1)

    @torch.no_grad()
    def follow(self) -> None:
        """Change the noise by the sign of its gradient, after the backward pass."""
        moved = self._current + self.step_size * self._current.grad.sign()
        self.noise[:, : moved.shape[1]] = moved.clamp(-self.epsilon, self.epsilon)
        self._current = None

    def state(self) -> dict:
        """All that decides how it goes on."""
        return {"noise": self.noise}

    def restore(self, state: dict, device: torch.device) -> None:
        """Take back what ``state`` gave."""
        noise = state["noise"]
        self.noise = None if noise is None else noise.to(device)
