"""The subjects that a rule asks for: networks of checkpoints, AlexNet, or cells of known tuning.

Settings of a subject: ``kind``, one of ``KINDS``; ``screen``, degrees and centre_deg [y, x] of what
it sees. For "alexnet" also ``layer`` and ``dataset``; for "cells" ``size_px``, ``seed``,
``dataset`` and ``cells``, the settings of ``v1lib.simulation.grating_cells``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from v1lib.alexnet import SIZE_PX, alexnet
from v1lib.models import about_checkpoint, check_trained, load_models
from v1lib.recording import load_recording
from v1lib.screen import Screen
from v1lib.simulation.grating_cells import CellSettings, GratingCells, drawn_cells
from v1lib.v1_receptive_fields import Subject
from v1lib.v1_subjects import (
    of_alexnet,
    of_cells,
    of_classifier,
    of_neurons,
    units_of,
)

KINDS = ("networks", "alexnet", "cells")


@dataclass(frozen=True)
class SubjectRun:
    """A subject and what its rows are labelled with.

    Attributes:
        model: name of the network's model, or the kind of another subject.
        seed: of the network, or of the cells.
        dataset, source_kind: what it was trained on; "simulated" for cells.
        subject: what responds.
        names: int64 [n_units], columns of the recording that its units are; None for units that are
            their own number.
    """

    model: str
    seed: int
    dataset: str
    source_kind: str
    subject: Subject
    names: np.ndarray | None = None


def subject_runs(
    files: Sequence[Path], recording: Sequence[Path], settings: dict, device: torch.device
) -> Iterator[SubjectRun]:
    """The subjects, one after the other.

    Args:
        files: checkpoints of one or several models for the kind "networks", one weight file for
            "alexnet", else none.
        recording: none or one, that a model of neurons was trained on; only asked by what its
            stimuli were standardised.
        settings: see the module.
        device: where networks compute.

    Raises:
        ValueError: an unknown kind, no trained network, or files that do not fit; the message says
            which.
    """
    kind = settings["kind"]
    if kind not in KINDS:
        raise ValueError(f"subject: kind is {kind!r}, allowed: {', '.join(KINDS)}")
    if kind == "networks":
        return _networks(files, recording, settings["screen"], device)
    return iter([_cells(settings) if kind == "cells" else _alexnet(files, settings, device)])


def cells_of_settings(settings: dict) -> GratingCells:
    """The cells that the settings of a subject of the kind "cells" describe."""
    rng = np.random.default_rng(settings["seed"])
    return drawn_cells(rng, CellSettings(**settings["cells"]))


def _cells(settings: dict) -> SubjectRun:
    subject = of_cells(
        cells_of_settings(settings), _screen(settings["size_px"], settings["screen"])
    )
    return SubjectRun("cells", settings["seed"], settings["dataset"], "simulated", subject)


def _alexnet(files: Sequence[Path], settings: dict, device: torch.device) -> SubjectRun:
    if len(files) != 1:
        raise ValueError(f"AlexNet needs one weight file, got {[str(path) for path in files]}")
    network = alexnet(files[0], settings["layer"])
    subject = of_alexnet(network, _screen(SIZE_PX, settings["screen"]), device)
    return SubjectRun("alexnet", 0, settings["dataset"], "real", subject)


def _networks(
    files: Sequence[Path], recording: Sequence[Path], screen: dict, device: torch.device
) -> Iterator[SubjectRun]:
    """One subject for each seed; sessions with networks of their own are put together."""
    check_trained(files)
    for file in files:
        about = about_checkpoint(file)
        shape = tuple(about["stimulus_shape"])
        labels = {key: about[key] for key in ("model", "dataset", "source_kind")}
        shown = _screen(max(shape[1:]), screen)
        trained = sorted(load_models(file), key=lambda model: model.seed)
        for seed, group in groupby(trained, key=lambda model: model.seed):
            models = list(group)
            if hasattr(models[0].module, "v1"):
                subject, names = of_classifier(models[0].module, shown, device), None
            else:
                mean_sd = _standardised_by(recording)
                subject = of_neurons(models, shape, shown, mean_sd=mean_sd, device=device)
                names = units_of(models)
            yield SubjectRun(seed=seed, **labels, subject=subject, names=names)


def _screen(size_px: int, settings: dict) -> Screen:
    return Screen(size_px, settings["degrees"], tuple(settings["centre_deg"]))


def _standardised_by(recording: Sequence[Path]) -> tuple[float, float]:
    """Mean and standard deviation of grey values that stimuli are in units of: 0, 1 if none."""
    for path in recording:
        extras = load_recording(path).extras
        if "stimulus_mean_sd" in extras:
            mean, sd = extras["stimulus_mean_sd"]
            return float(mean), float(sd)
    return 0.0, 1.0
