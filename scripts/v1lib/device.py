"""Where tensors live: a GPU or the CPU."""

import logging

import torch

log = logging.getLogger(__name__)


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
    torch.use_deterministic_algorithms(True)
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
    log.info("device %s, %d threads", device, threads)
    return device
