"""Images shared out among the threads that PyTorch may use, for kernels that release the GIL."""

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

Part = Callable[[int, int, int], None]


def in_threads(n_images: int, part: Part) -> None:
    """Call part(thread, first, last) for consecutive images, one part for each thread.

    The parts run on PyTorch's own threads where these are OpenMP's. After each operation those stay
    awake for milliseconds, and threads of anybody else would have to share the processor with them.

    Args:
        n_images: to be shared out, at least 1.
        part: what to do with the images from ``first`` to before ``last``.

    Raises:
        BaseException: what a part has raised.
    """
    n_parts = min(torch.get_num_threads(), n_images)
    bounds = [n_images * number // n_parts for number in range(n_parts + 1)]
    if n_parts == 1:
        part(0, 0, n_images)
    elif _openmp() is None:
        with ThreadPoolExecutor(n_parts) as pool:
            list(pool.map(part, range(n_parts), bounds[:-1], bounds[1:]))
    else:
        _in_team(bounds, part)


def _in_team(bounds: list[int], part: Part) -> None:
    """As ``in_threads``; a team may be smaller than asked for."""
    openmp, raised = _openmp(), []

    def work(_: int | None) -> None:
        try:
            team = openmp.omp_get_num_threads()
            for number in range(openmp.omp_get_thread_num(), len(bounds) - 1, team):
                part(number, bounds[number], bounds[number + 1])
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that asked
            raised.append(error)

    openmp.GOMP_parallel(_CALLBACK(work), None, len(bounds) - 1, 0)
    if raised:
        raise raised[0]


_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _openmp() -> ctypes.CDLL | None:
    """The OpenMP runtime that PyTorch has loaded; None where there is none of GNU's interface."""
    if not torch.backends.openmp.is_available():
        return None
    loaded = ctypes.CDLL(None)
    names = ("GOMP_parallel", "omp_get_num_threads", "omp_get_thread_num")
    if not all(hasattr(loaded, name) for name in names):
        return None
    loaded.GOMP_parallel.argtypes = (_CALLBACK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    loaded.GOMP_parallel.restype = None
    return loaded


def numpy_in_one_thread() -> AbstractContextManager:
    """Inside, NumPy's linear algebra uses the thread that calls it, and no others."""
    return _numpy_libraries().limit(limits=1)


@cache
def _numpy_libraries() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
