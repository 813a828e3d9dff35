"""Files that are either whole or absent: written beside their target, then renamed over it.

Light on purpose: pandas is imported only where a table is read or written.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Eight digits keep what a float32 holds and nothing that only looks like precision.
FLOAT_FORMAT = "%.8g"

_NO_SPACE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than is allowed here",
}
_TEXT_COLUMNS = {"session": str}  # "01" is a name, not the number 1


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a place to write a file, and move it to ``path`` once the block has ended well.

    The file is written under its own name in a temporary folder beside the target, because some
    formats (``torch.save``) write the file name into the file. When the block raises, neither the
    target nor anything else in its folder has changed.

    Args:
        path: the target; missing parent folders are made.

    Yields:
        The path to write to.

    Raises:
        FileNotFoundError: the block wrote nothing.
        OSError: the file cannot be written; the message names the target and, for a full disk,
            says so.
    """
    path = Path(path)
    with folder_beside(path) as folder:
        part = folder / path.name
        yield part
        if not part.is_file():
            raise FileNotFoundError(f"{path}: nothing was written")
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(path)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Give a folder to fill, and move it to ``path`` once the block has ended well.

    A folder that is already there is replaced. When the block raises, nothing has changed.

    Args:
        path: the target; missing parent folders are made.

    Yields:
        An empty folder with the name of the target.

    Raises:
        FileNotFoundError: the block wrote nothing.
        OSError: as ``atomic``.
    """
    path = Path(path)
    with folder_beside(path) as folder:
        part = folder / path.name
        part.mkdir()
        yield part
        if not any(part.iterdir()):
            raise FileNotFoundError(f"{path}: nothing was written")
        if path.exists():
            path.replace(folder / "old")
        part.replace(path)


@contextlib.contextmanager
def folder_beside(path: Path | str) -> Iterator[Path]:
    """A temporary folder on the file system of ``path``, removed when the block ends.

    Raises:
        OSError: as ``atomic``.
    """
    path = Path(path)
    folder = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        name = f".{path.name[:100]}."
        folder = Path(tempfile.mkdtemp(prefix=name, suffix=".part", dir=path.parent))
        yield folder
    except OSError as error:
        if full := no_space(error, path):
            raise full from error
        raise
    except Exception as error:
        # Libraries written in C++ report a full disk in words of their own.
        if shutil.disk_usage(path.parent).free < 2**16:
            raise OSError(errno.ENOSPC, f"{_advice(errno.ENOSPC)} ({error})", str(path)) from error
        raise
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def no_space(error: OSError, path: Path | str) -> OSError | None:
    """The error to raise in place of ``error`` if it came from a full disk, else None."""
    if error.errno not in _NO_SPACE:
        return None
    return OSError(error.errno, _advice(error.errno), str(path))


def _advice(number: int) -> str:
    return f"{_NO_SPACE[number]}; make room and run again"


def sha256_of(path: Path | str) -> str:
    """SHA-256 as 64 hexadecimal digits: of a file's bytes; of a folder, over names and files."""
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listed = "".join(f"{file.relative_to(path)} {sha256_of(file)}\n" for file in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_of_code(folder: Path) -> str:
    """SHA-256 over the names and contents of all Python files below a folder."""
    files = sorted(folder.rglob("*.py"))
    listed = "".join(f"{file.relative_to(folder)} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def write_csv(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a table without its index; floats with eight digits, missing values empty."""
    with atomic(path) as part:
        frame.to_csv(part, index=False, float_format=FLOAT_FORMAT, lineterminator="\n")


def read_csv(path: Path | str, *, required: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table written by ``write_csv``; the column ``session`` stays text ("01").

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no table or lacks a column of ``required``; the message names both.
    """
    import pandas as pd

    path = _existing(path)
    try:
        frame = pd.read_csv(path, dtype=_TEXT_COLUMNS)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error
    _require(path, "column", required, list(frame.columns))
    return frame


def write_json(value: object, path: Path | str) -> None:
    """Write plain values, NumPy scalars and arrays, and paths as JSON.

    JSON knows no NaN and no infinity: both are written as null.

    Raises:
        TypeError: a value is of another type.
    """
    text = json.dumps(_plain(value), indent=1, allow_nan=False, ensure_ascii=False)
    with atomic(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path | str) -> object:
    """Read a JSON file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not JSON; the message names it.
    """
    path = _existing(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, error) from error


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_npz(path: Path | str, /, **arrays: object) -> None:
    """Write named arrays (or numbers, text, lists of them) to an ``.npz`` without pickles.

    Equal arrays give equal bytes.

    Raises:
        ValueError: an array holds Python objects; the message names it.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{path}: array {name!r} holds Python objects, which are not stored")
    with atomic(path) as part, part.open("wb") as handle:
        np.savez(handle, **arrays)


def read_npz(path: Path | str, *, required: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file, read without pickles.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or truncated, holds pickled objects, or lacks an array of
            ``required``; the message names file and array.
    """
    path = _existing(path)
    with path.open("rb") as handle:
        try:
            if not zipfile.is_zipfile(handle):
                raise zipfile.BadZipFile("no complete .npz archive")
            with np.load(handle, allow_pickle=False) as data:
                arrays = {name: data[name] for name in data.files}
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise _damaged(path, error) from error
    _require(path, "array", required, list(arrays))
    return arrays


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "no such file; run the step that makes it", str(path))
    return path


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is damaged or truncated ({error}); remove it and make it again")


def _require(path: Path, kind: str, required: Sequence[str], present: Sequence[str]) -> None:
    missing = [name for name in required if name not in present]
    if missing:
        raise ValueError(
            f"{path} has no {kind} {', '.join(map(repr, missing))}; it has {sorted(present)}. "
            "If another version made it, remove it and make it again"
        )
