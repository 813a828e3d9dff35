"""Compiled kernels that the next process need not compile again."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numba
from llvmlite import binding

OPTIONS = {"boundscheck": False, "error_model": "numpy", "nogil": True}


def compiler(*sources: str, options: Mapping | None = None) -> Callable[[Callable], Callable]:
    """A decorator that compiles kernels and keeps their machine code on disk.

    The code stays beside its source or in the user's cache; where neither can be written, kernels
    are compiled each time. The names of its files say of what it was made, so that no file ever
    has code of two kinds: processes that write at once, or are stopped, could mix them up.

    Args:
        sources: paths of all files that the kernels are made of, their own included. They are read
            now, which must be when these files are imported: they may be edited later.
        options: of ``numba.njit``, beside ``OPTIONS``.

    Returns:
        From a function to its kernel. It raises a TypeError where a constant that the function
        has from another one is not a whole number; numba would not find a kernel again that is
        made of another kernel.
    """
    processor = binding.get_host_cpu_name() + binding.get_host_cpu_features().flatten()
    state = sha256(processor.encode())
    for source in sources:
        state.update(Path(source).read_bytes())

    def kernel(function: Callable) -> Callable:
        constants = [cell.cell_contents for cell in function.__closure__ or ()]
        if not all(isinstance(constant, int) for constant in constants):
            raise TypeError(
                f"{function.__qualname__} has constants {constants}; only whole numbers are allowed"
            )
        name = state.copy()
        name.update(repr(constants).encode())
        function.__qualname__ += f"_{name.hexdigest()[:16]}"
        compiled = numba.njit(**OPTIONS, **options or {})(function)
        with suppress(RuntimeError):  # no directory can be written to
            compiled.enable_caching()
        return compiled

    return kernel
