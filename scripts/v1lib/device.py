"""Where tensors live: a GPU or the CPU."""

import ctypes
import logging
import os
import platform

import torch

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def choose_device(wish: str, gpu: int, threads: int) -> torch.device:
    """The device to compute on, with deterministic algorithms switched on.

    Args:
        wish: "auto" (the GPU if one was promised and is there, else the CPU), "cuda" or "cpu".
        gpu: number of GPUs promised to this job (0 or more).
        threads: CPU threads to use.

    Raises:
        RuntimeError: a GPU is demanded and none is there.
        ValueError: unknown wish.
    """
    if wish not in ("auto", "cuda", "cpu"):
        raise ValueError(f"device is {wish!r}, allowed: auto, cuda, cpu")
    torch.set_num_threads(threads)
    # cuBLAS reads this at its first call; without it deterministic mode refuses matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As use_deterministic_algorithms(True), which also loads PyTorch's compiler, for over a second.
    torch.set_deterministic_debug_mode("error")
    # Nothing here reads memory that it has not written; filling it would cost a fifth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    available = torch.cuda.is_available()
    if wish == "cuda" and not available:
        raise RuntimeError(
            "device: cuda, but no CUDA GPU can be used here; check the driver and that PyTorch is "
            "a CUDA build, or set device: auto or cpu"
        )
    device = torch.device(
        "cuda" if available and (wish == "cuda" or (wish, gpu > 0) == ("auto", True)) else "cpu"
    )
    if wish == "auto" and gpu > 0 and not available:
        log.info("no GPU found: training on the CPU")
    if device.type == "cpu":
        _keep_memory()
    log.info("device %s, %d threads", device, threads)
    return device


def _keep_memory() -> None:
    """Let the C library reuse large buffers instead of returning each to the system.

    Otherwise every training step asks for hundreds of MB anew, page by page: a quarter of the time
    of a network with large feature maps.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
