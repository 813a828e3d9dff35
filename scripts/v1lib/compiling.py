"""Compiled kernels that the next process need not compile again."""

from collections.abc import Callable
from contextlib import suppress


def kept_on_disk(kernel: Callable) -> Callable:
    """A kernel of numba's whose machine code stays beside its source, or in the user's cache.

    Where nothing can be written it is compiled each time. Numba notices changes of the kernel's own
    source file; what else the kernel is made of must be in its name. Kernels that call kernels
    which are made by functions are never found again.
    """
    with suppress(RuntimeError):  # no directory can be written to
        kernel.enable_caching()
    return kernel
