"""Several networks of one architecture as one: their parameters share a leading axis."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Stack:
    """Networks that are trained together on one device.

    A stack of one simply calls its network. More are evaluated in one batched computation
    (``torch.vmap`` over stacked parameters); networks with fewer neurons than the largest are
    padded with outputs that no loss sees, and unpadded when read back.

    Args:
        modules: networks that differ in their number of neurons at most.
        noise_seed: seeds dropout and other noise; a stack of one repeats exactly, on its own.
        device: where the parameters live.

    Raises:
        ValueError: the networks cannot be stacked.
    """

    def __init__(self, modules: list[nn.Module], noise_seed: int, device: torch.device) -> None:
        self.device = device
        self.shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in modules]
        self.n_stacked = len(modules)
        largest = max(modules, key=lambda m: sum(p.numel() for p in m.parameters()))
        self.template = (modules[0] if self.n_stacked == 1 else deepcopy(largest)).to(device)
        if self.n_stacked == 1:
            self.parameters = list(self.template.parameters())
        else:
            if list(self.template.buffers()):
                raise ValueError("networks with buffers (batch normalization) cannot be stacked")
            self.stacked = {
                name: nn.Parameter(_stack([dict(m.named_parameters())[name] for m in modules], p))
                for name, p in self.template.named_parameters()
            }
            self.parameters = list(self.stacked.values())
        with torch.random.fork_rng(devices=_cuda(device)):
            torch.manual_seed(noise_seed)
            self.noise = _noise_state(device)

    def __call__(self, images: Tensor) -> Tensor:
        """images [n_stacked, n, C, H, W] -> responses [n_stacked, n, n_neurons]."""
        if self.n_stacked == 1:
            return self.template(images[0])[None]
        return torch.vmap(self._call_one, randomness="different")(self.stacked, images)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Training mode, with the stack's own stream of noise."""
        self.template.train()
        with torch.random.fork_rng(devices=_cuda(self.device)):
            _set_noise_state(self.noise, self.device)
            yield
            self.noise = _noise_state(self.device)
        self.template.eval()

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Responses [n_stacked, n, n_neurons] on the CPU to images [n, C, H, W] shown to all."""
        if self.n_stacked == 1:
            return self.template(images)[None].cpu()
        return torch.vmap(self._call_one, in_dims=(0, None))(self.stacked, images).cpu()

    def pad_neurons(self, responses: list[Tensor]) -> Tensor:
        """[n_stacked, n_images, largest n_neurons] on the device; NaN where a network has none."""
        widest = max(r.shape[1] for r in responses)
        padded = [
            nn.functional.pad(r, (0, widest - r.shape[1]), value=torch.nan) for r in responses
        ]
        return torch.stack(padded).to(self.device)

    def state_dict(self, number: int) -> dict[str, Tensor]:
        """A copy of the weights of one network, on the CPU, in its own shapes."""
        if self.n_stacked == 1:
            return {k: v.detach().cpu().clone() for k, v in self.template.state_dict().items()}
        return {
            name: self.stacked[name][number][tuple(slice(n) for n in shape)].detach().cpu().clone()
            for name, shape in self.shapes[number].items()
        }

    def state(self) -> dict:
        """All weights and the state of the noise."""
        weights = self.template.state_dict() if self.n_stacked == 1 else self.stacked
        return {
            "weights": {name: value.detach().clone() for name, value in weights.items()},
            "noise": self.noise,
        }

    @torch.no_grad()
    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        if self.n_stacked == 1:
            self.template.load_state_dict(state["weights"])
        else:
            for name, value in state["weights"].items():
                self.stacked[name].copy_(value)
        self.noise = state["noise"]

    def _call_one(self, parameters: dict[str, Tensor], images: Tensor) -> Tensor:
        return functional_call(self.template, parameters, (images,))


def _stack(values: list[Tensor], like: Tensor) -> Tensor:
    stacked = torch.zeros(len(values), *like.shape, device=like.device, dtype=like.dtype)
    for number, value in enumerate(values):
        if value.dim() != like.dim():
            raise ValueError("networks of different architecture cannot be stacked")
        stacked[(number, *(slice(n) for n in value.shape))] = value.detach()
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
