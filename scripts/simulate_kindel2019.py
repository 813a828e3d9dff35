"""Simulate the recordings of Kindel et al. 2019 with known receptive fields."""

import logging

from v1lib.files import atomic, write_npz
from v1lib.kindel2019_archive import write_sessions
from v1lib.simulation.kindel2019 import settings_of, simulate
from v1lib.steps import Output

log = logging.getLogger(__name__)


def main(*, archive: Output, truth: Output, settings: dict) -> None:
    """Write a simulated ``data.tar.gz`` in the form of the original, and its ground truth.

    The same settings give the same bytes.

    Args:
        archive: one MATLAB file per session, as published.
        truth: ``.npz`` with cell parameters, receptive fields, expected and single-trial counts.
        settings: see ``v1lib.simulation.kindel2019.Settings``.
    """
    simulation = simulate(settings_of(settings))
    arrays = simulation.population.as_arrays() | simulation.truth
    write_npz(truth, simulated=True, source_kind="simulated", **arrays)
    with atomic(archive) as part:
        write_sessions(part, simulation.images, simulation.activity)
    for name, activity in simulation.activity.items():
        log.info(
            "simulated session %s: %d cells, mean count %.3f, largest %.2f, mean variance over "
            "images %.4f",
            *(name, activity.shape[1], activity.mean(), activity.max(), activity.var(0).mean()),
        )
