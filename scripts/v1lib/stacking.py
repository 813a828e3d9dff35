"""Several networks of one architecture as one: their weights share a leading axis."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call

from v1lib.models import is_stackable


class Stack:
    """Networks that are trained together on one device: its members.

    A single network is simply called. More are evaluated in one batched computation (``torch.vmap``
    over stacked weights and buffers); networks with fewer neurons than the largest are padded with
    outputs that no loss sees, and unpadded when read back.

    Args:
        modules: networks that differ in their number of neurons and in buffers at most.
        noise_seed: seeds dropout and other noise; a stack of one repeats exactly, on its own.
        device: where the weights live.

    Raises:
        ValueError: the networks cannot be stacked, see ``v1lib.models.is_stackable``, or are of
            different architecture.
    """

    def __init__(self, modules: list[nn.Module], noise_seed: int, device: torch.device) -> None:
        self.device = device
        self.shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in modules]
        self.is_batched = len(modules) > 1
        if self.is_batched and not all(map(is_stackable, modules)):
            raise ValueError(f"networks of {type(modules[0]).__name__} cannot be stacked")
        largest = max(modules, key=lambda m: sum(p.numel() for p in m.parameters()))
        self.network = (deepcopy(largest) if self.is_batched else modules[0]).to(device)
        self.objective = _Objective(self.network)
        if self.is_batched:
            self.tensors = _stacked(modules, self.network)
        else:
            self.tensors = _tensors_of(self.network)
        with torch.random.fork_rng(devices=_cuda(device)):
            torch.manual_seed(noise_seed)
            self.noise = _noise_state(device)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def parameters(self) -> list[Tensor]:
        """What is learned: [n_members, ...], or without that axis for a single network."""
        return [tensor for tensor in self.tensors.values() if tensor.requires_grad]

    def __call__(self, images: Tensor, scan: str | None = None) -> tuple[Tensor, Tensor]:
        """In training: images [n_members, n, C, H, W] -> responses [n_members, n, n_neurons],
        penalties [n_members]; of the readout of a scan where networks have several.
        """
        more = () if scan is None else (scan,)
        if not self.is_batched:
            responses, penalty = self.objective(images[0], *more)
            return responses[None], penalty[None]
        weights = {f"network.{name}": value for name, value in self.tensors.items()}

        def call(of_member: dict[str, Tensor], own: Tensor) -> tuple[Tensor, Tensor]:
            return functional_call(self.objective, of_member, (own, *more))

        return torch.vmap(call, randomness="different")(weights, images)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Training mode, with the stack's own stream of noise."""
        self.network.train()
        with torch.random.fork_rng(devices=_cuda(self.device)):
            _set_noise_state(self.noise, self.device)
            yield
            self.noise = _noise_state(self.device)
        self.network.eval()

    @torch.no_grad()
    def predict(self, images: Tensor, scan: str | None = None) -> Tensor:
        """Responses [n_members, n, n_neurons] on the CPU to images [n, C, H, W] shown to all.

        Of the neurons of one scan where networks have several readouts.
        """
        self.network.eval()
        more = () if scan is None else (scan,)
        if not self.is_batched:
            return self.network(images, *more)[None].cpu()

        def call(weights: dict[str, Tensor], shown: Tensor) -> Tensor:
            return functional_call(self.network, weights, (shown, *more))

        return torch.vmap(call, in_dims=(0, None))(self.tensors, images).cpu()

    def member(self, number: int) -> dict[str, Tensor]:
        """A copy of everything a member has learned, in the shapes of the stack."""
        return {name: self._of(value, number).clone() for name, value in self._learned().items()}

    @torch.no_grad()
    def put(self, number: int, values: dict[str, Tensor]) -> None:
        """Give a member what ``member`` returned."""
        for name, value in values.items():
            self._of(self.tensors[name], number).copy_(value)

    def state_dict(self, number: int) -> dict[str, Tensor]:
        """A copy of the weights of one network, on the CPU, in its own shapes."""
        return {
            name: self._of(self.tensors[name].detach(), number)[tuple(map(slice, shape))]
            .cpu()
            .clone()
            for name, shape in self.shapes[number].items()
        }

    def keep(self, numbers: list[int]) -> None:
        """Drop all other members of a stack of several."""
        index = torch.tensor(numbers, device=self.device)
        self.shapes = [self.shapes[number] for number in numbers]
        self.tensors = {
            name: value.detach()[index].requires_grad_(value.requires_grad)
            for name, value in self.tensors.items()
        }

    def state(self) -> dict:
        """All weights and the state of the noise."""
        weights = {name: value.clone() for name, value in self._learned().items()}
        return {"weights": weights, "noise": self.noise}

    @torch.no_grad()
    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        for name, value in state["weights"].items():
            self.tensors[name].copy_(value)
        self.noise = state["noise"]

    def _learned(self) -> dict[str, Tensor]:
        return {name: self.tensors[name].detach() for name in self.shapes[0]}

    def _of(self, tensor: Tensor, number: int) -> Tensor:
        return tensor[number] if self.is_batched else tensor


class _Objective(nn.Module):
    """Responses and, for a network that has one, the penalty on its weights."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, *scan: str) -> tuple[Tensor, Tensor]:
        responses = self.network(images, *scan)
        penalty = getattr(self.network, "penalty", None)
        return responses, penalty(*scan) if penalty else responses.new_zeros(())


def _tensors_of(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _stacked(modules: list[nn.Module], like: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers of all modules, padded to those of ``like``."""
    of_module = [_tensors_of(module) for module in modules]
    stacked = {}
    for name, largest in _tensors_of(like).items():
        both = torch.zeros(
            (len(modules), *largest.shape), device=largest.device, dtype=largest.dtype
        )
        for number, tensors in enumerate(of_module):
            if name not in tensors or tensors[name].dim() != largest.dim():
                raise ValueError("networks of different architecture cannot be stacked")
            value = tensors[name].detach()
            both[(number, *map(slice, value.shape))] = value
        stacked[name] = both.requires_grad_(largest.requires_grad)
    return stacked


def _cuda(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []


def _noise_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_noise_state(state: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state.cpu(), device)
    else:
        torch.set_rng_state(state.cpu())
