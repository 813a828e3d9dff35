"""Compiled kernels that the next process need not compile again."""

from collections.abc import Callable
from contextlib import suppress


def kept_on_disk(kernel: Callable) -> Callable:
    """A kernel of numba's whose machine code stays beside its source, or in the user's cache.

    Where nothing can be written it is compiled each time. Numba notices changes of the kernel's own
    source file, not of what it is made of beside that; and it does not find kernels again that call
    kernels which are made by functions.
    """
    with suppress(RuntimeError):  # no directory can be written to
        kernel.enable_caching()
    return kernel
