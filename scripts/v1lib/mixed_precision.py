"""Half precision where it is safe, with a scale that keeps small gradients from vanishing."""

from collections.abc import Sequence

import torch
from torch import Tensor


class LossScale:
    """Multiplies the loss before the backward pass, and divides gradients after it.

    As PyTorch's ``GradScaler``, for optimisers of this project: an update with a gradient that is
    not finite is left out and halves the scale; after 2,000 updates in a row it doubles.

    Args:
        enabled: without, losses and gradients stay as they are.
    """

    GROWTH, BACKOFF, INTERVAL = 2.0, 0.5, 2000

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.scale = 2.0**16 if enabled else 1.0
        self.n_good = 0

    def autocast(self, device: torch.device) -> torch.autocast:
        """Context in which a forward pass is computed in half precision, if enabled."""
        return torch.autocast(device.type, dtype=torch.float16, enabled=self.enabled)

    @torch.no_grad()
    def unscale(self, parameters: Sequence[Tensor]) -> bool:
        """Divide the gradients by the scale; whether the update may be made."""
        if not self.enabled:
            return True
        gradients = [p.grad for p in parameters if p.grad is not None]
        finite = torch.stack([torch.isfinite(gradient).all() for gradient in gradients]).all()
        if not finite:
            self.scale *= self.BACKOFF
            self.n_good = 0
            return False
        for gradient in gradients:
            gradient.div_(self.scale)
        self.n_good += 1
        if self.n_good == self.INTERVAL:
            self.scale *= self.GROWTH
            self.n_good = 0
        return True

    def state(self) -> dict:
        """Plain values, for a resume state."""
        return {"scale": self.scale, "n_good": self.n_good}

    def restore(self, state: dict) -> None:
        """Take back what ``state`` gave."""
        self.scale, self.n_good = state["scale"], state["n_good"]
