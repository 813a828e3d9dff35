"""Weights from files of others: read safely, and compared before they fill a network."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - only the error

import torch
from torch import Tensor


def read_weights(path: Path, *, what: str) -> Mapping[str, Tensor]:
    """A state dictionary, without running anything that its file may hold.

    Args:
        path: file that PyTorch has saved.
        what: it should hold, for messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read, or holds anything else; the message names it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it should hold {what}")
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, UnpicklingError, EOFError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a readable weight file ({error})") from error
    if not isinstance(stored, Mapping):
        raise ValueError(f"{path}: holds a {type(stored).__name__}, expected {what}")
    return stored


def require_shapes(
    needed: Mapping[str, Tensor], given: Mapping[str, Tensor], *, where: str, otherwise: str
) -> None:
    """Every weight that is needed is given, in its shape; others may be given as well.

    Args:
        needed, given: state dictionaries.
        where: what was given, begins the message.
        otherwise: what follows if they do not fit, ends it.

    Raises:
        ValueError: the message names the first weight at fault and both shapes.
    """
    for name, tensor in needed.items():
        shape = getattr(given.get(name), "shape", None)
        if shape != tensor.shape:
            found = f"has shape {tuple(shape or ())}" if name in given else "is missing"
            raise ValueError(
                f"{where}: {name} {found}, expected shape {tuple(tensor.shape)}; {otherwise}"
            )
