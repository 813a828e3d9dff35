"""Compiled kernels that the next process need not compile again."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from zlib import crc32


def kept_on_disk(kernel: Callable, *modules: ModuleType) -> Callable:
    """A kernel of numba's whose machine code stays beside its source, or in the user's cache.

    Where nothing can be written it is compiled each time. Numba notices changes of the kernel's own
    source file; ``modules`` are what else it is made of. Of a kernel that a function makes every
    choice of constants has files of its own, as processes that add to the same file at once could
    find each other's code there. A constant must not be a kernel: it would never be found again.
    """
    function = kernel.py_func
    constants = [cell.cell_contents for cell in function.__closure__ or ()]
    sources = [Path(module.__file__).read_bytes() for module in modules]
    if constants or sources:
        function.__qualname__ += f"_{crc32(b''.join([repr(constants).encode(), *sources]))}"
    with suppress(RuntimeError):  # no directory can be written to
        kernel.enable_caching()
    return kernel
