"""Gradient descent for networks side by side, each with its own learning rate.

PyTorch's optimisers know one learning rate; in a search every network lowers its own, and goes back
to its own best state. Networks are *members*: tensors carry them on a leading axis, or, for one
network alone, have no such axis.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor


class Optimiser(ABC):
    """Updates parameters in place from their gradients.

    Args:
        parameters: tensors [n_members, ...], or of one network without that axis.
        n_members: length of the leading axis; None for one network without it.

    Attributes:
        slots: tensors beside the parameters, such as moments, by name.
        n_steps: updates that each member's state has seen; with a leading axis a tensor beside the
            parameters, so that a step copies nothing to the device.
    """

    SLOTS: tuple[str, ...] = ()

    def __init__(self, parameters: list[Tensor], n_members: int | None) -> None:
        self.parameters = parameters
        self.has_axis = n_members is not None
        self.slots = {name: [torch.zeros_like(p) for p in parameters] for name in self.SLOTS}
        self.n_steps: Tensor | int = 0
        if self.has_axis:
            device = parameters[0].device
            self.n_steps = torch.zeros(n_members, dtype=torch.float64, device=device)

    @torch.no_grad()
    def step(self, learning_rate: Tensor | float) -> None:
        """One update of every member, with its own rate [n_members] on the parameters' device."""
        self.n_steps = self.n_steps + 1
        size = self._step_size(learning_rate, self.n_steps)
        for number, parameter in enumerate(self.parameters):
            if parameter.grad is None:  # it takes no part in this network
                continue
            slots = [self.slots[name][number] for name in self.SLOTS]
            direction = self._direction(parameter.grad, parameter, *slots)
            if self.has_axis:
                parameter.sub_(direction * _per_member(size, parameter))
            else:
                parameter.sub_(direction, alpha=size)

    @abstractmethod
    def _direction(self, gradient: Tensor, parameter: Tensor, *slots: Tensor) -> Tensor:
        """What is subtracted, up to the step size; updates the slots in place."""

    @abstractmethod
    def _step_size(self, learning_rate: Tensor | float, n_steps: Tensor | int) -> Tensor | float:
        """Of the update that is number ``n_steps`` (from 1) of a member."""

    def member(self, number: int) -> dict:
        """A copy of one member's state."""
        return {
            "slots": {
                name: [self._of(slot, number).clone() for slot in slots]
                for name, slots in self.slots.items()
            },
            "n_steps": int(self.n_steps[number]) if self.has_axis else self.n_steps,
        }

    def put(self, number: int, state: dict) -> None:
        """Give one member the state that ``member`` returned."""
        for name, slots in self.slots.items():
            for slot, value in zip(slots, state["slots"][name], strict=True):
                self._of(slot, number).copy_(value)
        if self.has_axis:
            self.n_steps[number] = state["n_steps"]
        else:
            self.n_steps = state["n_steps"]

    def keep(self, numbers: list[int], parameters: list[Tensor]) -> None:
        """Go on with some members only, whose parameters these are."""
        index = torch.tensor(numbers, device=parameters[0].device)
        self.parameters = parameters
        self.slots = {name: [s[index] for s in slots] for name, slots in self.slots.items()}
        self.n_steps = self.n_steps[index]

    def state(self) -> dict:
        """A copy of the state of all members."""
        slots = {name: [slot.clone() for slot in slots] for name, slots in self.slots.items()}
        n_steps = self.n_steps.tolist() if self.has_axis else self.n_steps
        return {"slots": slots, "n_steps": n_steps}

    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        for name, slots in self.slots.items():
            for slot, value in zip(slots, state["slots"][name], strict=True):
                slot.copy_(value)
        n_steps = state["n_steps"]
        self.n_steps = self.n_steps.new_tensor(n_steps) if self.has_axis else n_steps

    def _of(self, tensor: Tensor, number: int) -> Tensor:
        return tensor[number] if self.has_axis else tensor


class SGD(Optimiser):
    """Plain gradient descent, without momentum."""

    def _direction(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        return gradient

    def _step_size(self, learning_rate: float, n_steps: int) -> float:
        return learning_rate


class MomentumSGD(Optimiser):
    """Gradient descent with momentum and weight decay, as ``torch.optim.SGD`` computes it.

    v = momentum v + g + decay w, from v = g + decay w at the first step; w -= rate v. Pogoncheff et
    al. 2023 train so (main.py): momentum 0.9, decay 1e-5 on all weights.

    Args:
        parameters, n_members: as for ``Optimiser``.
        momentum, weight_decay: see above.
    """

    SLOTS = ("velocity",)

    def __init__(
        self,
        parameters: list[Tensor],
        n_members: int | None,
        *,
        momentum: float,
        weight_decay: float,
    ) -> None:
        super().__init__(parameters, n_members)
        self.momentum, self.weight_decay = momentum, weight_decay

    def _direction(self, gradient: Tensor, parameter: Tensor, velocity: Tensor) -> Tensor:
        return velocity.mul_(self.momentum).add_(gradient).add_(parameter, alpha=self.weight_decay)

    def _step_size(self, learning_rate: float, n_steps: int) -> float:
        return learning_rate


class Adam(Optimiser):
    """Adam as TensorFlow 1 computes it: epsilon is added to the *uncorrected* root.

    m = 0.9 m + 0.1 g, v = 0.999 v + 0.001 g^2,
    w -= rate * sqrt(1 - 0.999^t) / (1 - 0.9^t) * m / (sqrt(v) + 1e-8).

    ``CorrectedAdam`` adds epsilon to the corrected root; the difference is far below that of two
    seeds, but this form reproduces the recorded updates of Burg et al. 2021.
    """

    SLOTS = ("mean", "mean_square")
    BETAS = (0.9, 0.999)
    EPSILON = 1e-8

    def _direction(
        self, gradient: Tensor, parameter: Tensor, mean: Tensor, mean_square: Tensor
    ) -> Tensor:
        mean.lerp_(gradient, 1 - self.BETAS[0])
        mean_square.mul_(self.BETAS[1]).addcmul_(gradient, gradient, value=1 - self.BETAS[1])
        return mean / mean_square.sqrt().add_(self._epsilon(mean))

    def _epsilon(self, like: Tensor) -> Tensor | float:
        return self.EPSILON

    def _step_size(self, learning_rate: Tensor | float, n_steps: Tensor | int) -> Tensor | float:
        first, second = (1 - beta**n_steps for beta in self.BETAS)
        return learning_rate * second**0.5 / first


class CorrectedAdam(Adam):
    """Adam as in its article and in PyTorch: epsilon is added to the *corrected* root.

    w -= rate / (1 - 0.9^t) * m / (sqrt(v / (1 - 0.999^t)) + 1e-8), as Lurz et al. 2021 train.
    """

    def _epsilon(self, like: Tensor) -> Tensor | float:
        scale = self.EPSILON * (1 - self.BETAS[1] ** self.n_steps) ** 0.5
        return _per_member(scale, like) if self.has_axis else scale


def _per_member(values: Tensor, like: Tensor) -> Tensor:
    """[n_members] in the type and with the axes of a tensor [n_members, ...]."""
    return values.to(like.dtype).view((-1,) + (1,) * (like.dim() - 1))


OPTIMISERS: Mapping[str, type[Optimiser]] = {
    "sgd": SGD,
    "momentum": MomentumSGD,
    "adam": Adam,
    "corrected_adam": CorrectedAdam,
}
