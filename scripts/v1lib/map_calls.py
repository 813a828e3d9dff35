"""Calls of the compiled kernels for feature maps (``v1lib.map_kernels``) with tensors."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from v1lib.threads import in_threads

try:
    from v1lib import map_kernels
except ImportError as missing:
    if (missing.name or "").startswith("v1lib"):
        raise
    map_kernels = None


def share_out(kernel: Callable, *given: Tensor | float) -> None:
    """Run a kernel, its images shared out among the threads.

    Args:
        kernel: of ``v1lib.map_kernels``; called with the arguments and the first and last image.
        given: maps [n, n_features, h, w], of which those that the kernel writes must be
            contiguous; other tensors, contiguous; numbers, which become float32 if they are not
            integers. The first are maps.
    """
    arguments = [_argument(value) for value in given]
    in_threads(len(arguments[0]), lambda _, first, last: kernel(*arguments, first, last))


def as_maps(*tensors: Tensor) -> list[np.ndarray]:
    """[n, n_features, h, w] as kernels take them: [n, n_features, h * w] in C order."""
    return [tensor.detach().contiguous().flatten(2).numpy() for tensor in tensors]


def _argument(value: Tensor | float) -> np.ndarray | np.float32 | int:
    if isinstance(value, Tensor):
        return as_maps(value)[0] if value.dim() == 4 else value.detach().numpy()
    return np.float32(value) if isinstance(value, float) else value
