"""The archive of Kindel et al. 2019: one MATLAB file per session in ``data.tar.gz``.

A file ``data/NNmean50ms_smallim_d2_crop.mat`` holds ``images`` uint8 [n_images, height, width],
the same in every session, and ``activity`` float64 [n_images, n_cells], spike counts in one window
averaged over the repeats.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat
from scipy.io.matlab import MatReadError

from v1lib.archives import read_members

MEMBER = "data/{session}mean50ms_smallim_d2_crop.mat"
_HEADER_BYTES = 116  # free text at the start of a MATLAB 5 file


@dataclass(frozen=True)
class Session:
    """One recording session.

    Attributes:
        images: uint8 [n_images, height, width].
        activity: float64 [n_images, n_cells], mean spike counts.
    """

    images: np.ndarray
    activity: np.ndarray


def read_sessions(archive: Path, sessions: list[str], *, n_repeats: int) -> dict[str, Session]:
    """Read and check sessions.

    Args:
        archive: ``data.tar.gz``.
        sessions: their names, "01" to "10".
        n_repeats: presentations of each image; every mean is a multiple of 1/n_repeats.

    Raises:
        ValueError: a session is missing or damaged, an array has a wrong type or shape, values are
            missing or no such means, or sessions differ in their images; the message names archive
            and member.
    """
    if not sessions or len(set(sessions)) < len(sessions):
        raise ValueError(f"sessions is {sessions}, expected one or more different names")
    members = read_members(archive, MEMBER.format(session="*"))
    read: dict[str, Session] = {}
    for name in sessions:
        member = MEMBER.format(session=name)
        if member not in members:
            raise ValueError(f"{archive} has no member {member}; it has {sorted(members)}")
        try:
            read[name] = _session_of(members[member], n_repeats)
        except ValueError as error:
            raise ValueError(f"{archive}, member {member}: {error}") from error
        if not np.array_equal(read[name].images, read[sessions[0]].images):
            raise ValueError(
                f"{archive}, member {member}: its images differ from those of "
                f"{MEMBER.format(session=sessions[0])}; all sessions must show the same"
            )
    return read


def write_sessions(archive: Path, images: np.ndarray, activity: Mapping[str, np.ndarray]) -> None:
    """Write sessions in the form of the original; equal arrays give equal bytes.

    Args:
        archive: file to write.
        images: uint8 [n_images, height, width].
        activity: by session, float64 [n_images, n_cells].
    """
    with (
        Path(archive).open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        folder = tarfile.TarInfo("data")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name in sorted(activity):
            content = _matlab_file({"images": images, "activity": activity[name]})
            entry = tarfile.TarInfo(MEMBER.format(session=name))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _matlab_file(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=True)
    # SciPy writes the time of day into the free text of the header.
    header = b"MATLAB 5.0 MAT-file, simulated recording".ljust(_HEADER_BYTES)
    return header + buffer.getvalue()[_HEADER_BYTES:]


def _session_of(content: bytes, n_repeats: int) -> Session:
    try:
        arrays = loadmat(io.BytesIO(content), variable_names=["images", "activity"])
    except (MatReadError, ValueError, TypeError, KeyError, OSError, EOFError) as error:
        raise ValueError(f"not a readable MATLAB 5 file ({error})") from error
    for name in ("images", "activity"):
        if name not in arrays:
            raise ValueError(f"no variable {name!r}")
    images, activity = arrays["images"], arrays["activity"]
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(f"images is {images.dtype} {images.shape}, expected uint8 [n, h, w]")
    if activity.dtype != np.float64 or activity.ndim != 2 or len(activity) != len(images):
        raise ValueError(
            f"activity is {activity.dtype} {activity.shape}, expected float64 "
            f"[{len(images)} images, n cells]"
        )
    _check_means(activity, n_repeats)
    return Session(images, activity)


def _check_means(activity: np.ndarray, n_repeats: int) -> None:
    if not np.isfinite(activity).all():
        raise ValueError(f"activity has {np.sum(~np.isfinite(activity))} missing values")
    if (activity < 0).any():
        raise ValueError(f"activity is {activity.min()} somewhere; spike counts are not negative")
    counts = activity * n_repeats
    off = np.abs(counts - np.rint(counts)) > 1e-6 * np.maximum(counts, 1)
    if off.any():
        image, cell = np.argwhere(off)[0]
        raise ValueError(
            f"activity of cell {cell} to image {image} is {activity[image, cell]}, no mean of "
            f"whole counts over {n_repeats} repeats; set n_repeats to the number recorded"
        )
