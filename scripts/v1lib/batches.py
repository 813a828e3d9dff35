"""In which order samples are learned from."""

from collections.abc import Sequence

import torch
from torch import Tensor

ORDERS = ("anew", "epochs", "passes")


class Batches:
    """Draws batches of samples at random, reproducibly, and can be interrupted.

    Args:
        samples: int64 [n], the samples of the training set.
        size: of a batch; all of the training set if that is smaller.
        order: "anew" draws each batch without replacement from all samples (Kindel et al. 2019);
            "epochs" takes consecutive slices of a permutation and drops the incomplete last one
            (Burg et al. 2021, data.py); "passes" keeps it, and starts a new permutation with each
            call of ``draw`` (Lurz et al. 2021, whose loaders begin anew in every epoch).
        seed: of the draws.

    Raises:
        ValueError: unknown order.
    """

    def __init__(self, samples: Tensor, *, size: int, order: str, seed: int) -> None:
        if order not in ORDERS:
            raise ValueError(f"batches is {order!r}, allowed: {', '.join(ORDERS)}")
        self.samples = samples
        self.size = min(size, len(samples))
        self.order = order
        self.generator = torch.Generator().manual_seed(seed)
        self.waiting = samples[:0]

    @property
    def n_per_pass(self) -> int:
        """Batches that hold each sample once, the last of which may be smaller."""
        return -(-len(self.samples) // self.size)

    def draw(self, n_steps: int) -> Sequence[Tensor]:
        """The next batches: int64 [size] each, smaller at the end of a pass."""
        if self.order == "anew":
            shape = (n_steps, len(self.samples))
            order = torch.rand(shape, generator=self.generator).argsort(1)
            return self.samples[order[:, : self.size]].unbind()
        if self.order == "passes":
            drawn: list[Tensor] = []
            while len(drawn) < n_steps:
                order = torch.randperm(len(self.samples), generator=self.generator)
                drawn += self.samples[order].split(self.size)
            return drawn[:n_steps]
        return self._slices(n_steps)

    def _slices(self, n_steps: int) -> Sequence[Tensor]:
        drawn = [self.waiting]
        n_waiting = len(self.waiting)
        per_epoch = len(self.samples) // self.size * self.size
        while n_waiting < n_steps * self.size:
            order = torch.randperm(len(self.samples), generator=self.generator)
            drawn.append(self.samples[order[:per_epoch]])
            n_waiting += per_epoch
        queue = torch.cat(drawn)
        self.waiting = queue[n_steps * self.size :].clone()
        return queue[: n_steps * self.size].view(n_steps, self.size).unbind()

    def state(self) -> dict:
        """All that decides the next draws."""
        return {"generator": self.generator.get_state(), "waiting": self.waiting}

    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        self.generator.set_state(state["generator"])
        self.waiting = state["waiting"]
