"""Turn the published archive of Kindel et al. 2019 into the common form of a recording."""

import logging

import numpy as np

from v1lib.kindel2019_archive import Session, read_sessions
from v1lib.recording import Recording
from v1lib.steps import Input, Output

log = logging.getLogger(__name__)


def main(
    *, archive: Input, recording: Output, source_kind: str, dataset: str, settings: dict
) -> None:
    """Read ``data.tar.gz``, real or simulated; write one recording with all its sessions.

    Args:
        archive: one MATLAB file per session.
        recording: ``.npz``; images of all sessions once, neurons side by side, one row per image
            (the mean over its presentations), no split (it is drawn per run).
        source_kind: "real" or "simulated".
        dataset: name of the data set.
        settings: ``sessions``, list of names ("01"); ``n_repeats``, presentations per image.

    Raises:
        ValueError: the archive lacks a session or one of them is not as published.
    """
    names = settings["sessions"]
    sessions = read_sessions(archive, names, n_repeats=settings["n_repeats"])
    images = sessions[names[0]].images
    data = Recording(
        stimuli=images[:, None].astype(np.float32),
        responses=np.concatenate([sessions[name].activity for name in names], axis=1).astype(
            np.float32
        ),
        image_index=np.arange(len(images), dtype=np.int64),
        session=np.repeat(names, [sessions[name].activity.shape[1] for name in names]),
        split=np.full(len(images), "", dtype="<U10"),
        n_averaged=np.full(len(images), settings["n_repeats"], dtype=np.int64),
        dataset=dataset,
        source_kind=source_kind,
        extras={"aperture": aperture_of(images)},
    )
    data.save(recording)
    for name in names:
        log.info("session %s: %s", name, _summary(sessions[name]))


def aperture_of(images: np.ndarray) -> np.ndarray:
    """Where images [n, height, width] are seen: bool [height, width].

    The background is the value of the corners, which no image reaches; the aperture is every
    pixel that differs from it in any image.

    Raises:
        ValueError: the corners differ, so that there is no uniform background.
    """
    corners = np.unique(images[:, [0, 0, -1, -1], [0, -1, 0, -1]])
    if len(corners) > 1:
        raise ValueError(
            f"the corners of the images have grey values {corners[0]} to {corners[-1]}; expected "
            "one background value around a round aperture"
        )
    return (images != corners[0]).any(axis=0)


def _summary(session: Session) -> str:
    activity = session.activity
    return (
        f"{activity.shape[1]} cells, mean count {activity.mean():.4f}, largest "
        f"{activity.max():.2f}, mean variance over images {activity.var(axis=0).mean():.4f}"
    )
