"""Check the models of Lurz et al. 2021 on simulated scans against what was planted in them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.files import read_csv, read_npz, write_csv
from v1lib.lurz2021_curves import by_replicate, read_scored_runs
from v1lib.lurz2021_effects import SCALES, data_efficiency
from v1lib.lurz2021_recovery import (
    PlantedFields,
    fitted_map,
    map_error,
    planted_fields,
    recovered_positions,
    score_differences,
    shape_of,
)
from v1lib.score_files import source_kind_of
from v1lib.steps import Input, Inputs, Output

log = logging.getLogger(__name__)

_RUN = ["seed", "images", "neurons", "replicate", "initialisation"]
_POSITIONS = (
    *("dataset", "model", *_RUN, "session", "neuron", "x_px", "y_px"),
    *("cortex_x_um", "cortex_y_um", "source_kind"),
)
_COLUMNS = (
    *("dataset", "measure", "role", "comparison", "session", "item", "images", "seed"),
    *("planted", "recovered", "control", "low", "high", "n", "p", "source_kind"),
)
_AXES = ("x", "y")


def main(
    *,
    truth: Input,
    positions: Inputs,
    populations: Inputs,
    recovery: Output,
    readouts: dict,
    scored: dict,
    options: dict,
) -> None:
    """From the ground truth, readout positions and scores of populations to one tidy table.

    Of each run with the most images, and each of its scans: ``position_correlation_x``, ``_y`` over
    neurons, ``position_error`` (px, root mean square about the common shift) and
    ``position_offset_x``, ``_y`` (that shift, px), controls being exchanged neurons; of its linear
    map from cortex to image ``map_rotation`` (degrees), ``map_scale`` (px per mm), ``map_mirrored``
    (0 or 1) and ``map_error`` (relative; control: exchanged neurons). Of the first such run
    ``position_x``, ``_y`` of each neuron (item). Of the scores, paired by replicate,
    ``score_difference`` by number of images, of every model and ``direct``, and
    ``data_efficiency`` of ``transferred`` (percent; item: how images are interpolated).

    Args:
        truth: ground truth of the simulation.
        positions: readout_positions.csv of the models in ``readouts``.
        populations: population_scores.csv of the models in ``scored``.
        recovery: the table.
        readouts: ``dataset`` and ``model`` by role, each with its file in ``positions``.
        scored: model by role; ``direct`` and ``transferred`` must be among them.
        options: ``score``, metric of the test images; ``downsampling`` of the stimuli;
            ``n_permutations`` and ``seed`` of controls and bootstrap.

    Raises:
        ValueError: the files do not belong together; the message names them.
    """
    planted, rows = read_npz(truth), []
    tables = [read_csv(path, required=_POSITIONS) for path in positions]
    for role, place in readouts.items():
        learned = _of_model(tables, place, positions)
        rows += [{"role": role} | row for row in _readout_rows(learned, planted, truth, options)]
    runs = read_scored_runs(populations, options["score"])
    rows += [
        {"dataset": runs["dataset"].iloc[0]} | row for row in _score_rows(runs, scored, options)
    ]
    table = pd.DataFrame(rows).assign(source_kind=source_kind_of(runs, *tables))
    write_csv(table.reindex(columns=list(_COLUMNS)), recovery)
    _report(table)


def _of_model(
    tables: Sequence[pd.DataFrame], place: Mapping[str, str], paths: Sequence[Path]
) -> pd.DataFrame:
    """Positions of the runs of a model with most images, and with most neurons among them."""
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[(rows["dataset"] == place["dataset"]) & (rows["model"] == place["model"])]
    if rows.empty:
        raise ValueError(f"no positions of {place} in {[str(path) for path in paths]}")
    for column in ("images", "neurons"):
        rows = rows[rows[column] == rows[column].max()]
    return rows.sort_values([*_RUN[::-1], "session", "neuron"], ignore_index=True)


def _readout_rows(
    learned: pd.DataFrame, truth: Mapping[str, np.ndarray], path: Path, options: dict
) -> Iterator[dict]:
    shown = learned["seed"].iloc[0]
    factor = options["downsampling"]
    for (seed, session), rows in learned.groupby(["seed", "session"], sort=False):
        planted = planted_fields(truth, session, downsampling=factor, origin=path)
        neuron = rows["neuron"].to_numpy()
        if neuron.max() >= len(planted.position_px):
            raise ValueError(f"scan {session}: {path} has no neuron {neuron.max()}")
        planted = PlantedFields(planted.position_px[neuron], planted.map_px_per_um)
        common = {"dataset": rows["dataset"].iloc[0], "session": session, "seed": seed}
        common |= {"images": rows["images"].iloc[0]}
        found = [*_position_rows(rows, planted, options), *_map_rows(rows, planted, options)]
        yield from ({**common, "n": len(rows), **row} for row in found)
        if seed == shown:
            yield from (common | row for row in _neuron_rows(rows, planted))


def _position_rows(rows: pd.DataFrame, planted: PlantedFields, options: dict) -> Iterator[dict]:
    found = recovered_positions(
        rows[["x_px", "y_px"]].to_numpy(),
        planted.position_px,
        n_permutations=options["n_permutations"],
        seed=options["seed"],
    )
    for number, axis in enumerate(_AXES):
        yield {
            "measure": f"position_correlation_{axis}",
            "recovered": found.correlation[number],
            "control": found.control_correlation[number],
            "p": found.p_correlation[number],
        }
        yield {"measure": f"position_offset_{axis}", "recovered": found.offset_px[number]}
    yield {"measure": "position_error", "recovered": found.error_px, "p": found.p_error} | {
        "control": found.control_error_px
    }


def _map_rows(rows: pd.DataFrame, planted: PlantedFields, options: dict) -> Iterator[dict]:
    position = rows[["x_px", "y_px"]].to_numpy()
    cortex = rows[["cortex_x_um", "cortex_y_um"]].to_numpy()
    learned, true = fitted_map(position, cortex), planted.map_px_per_um
    ours, theirs = shape_of(learned), shape_of(true)
    # The copy of the angle that lies nearest to the planted one.
    turn = (ours.rotation_deg - theirs.rotation_deg + 180) % 360 - 180
    exchanged = np.random.default_rng(options["seed"]).permutation(len(rows))
    pairs = {
        "rotation": (theirs.rotation_deg, theirs.rotation_deg + turn),
        "scale": (theirs.scale_px_per_mm, ours.scale_px_per_mm),
        "mirrored": (int(theirs.is_mirrored), int(ours.is_mirrored)),
    }
    for name, (planted_value, recovered) in pairs.items():
        yield {"measure": f"map_{name}", "planted": planted_value, "recovered": recovered}
    yield {
        "measure": "map_error",
        "recovered": map_error(learned, true),
        "control": map_error(fitted_map(position[exchanged], cortex), true),
    }


def _neuron_rows(rows: pd.DataFrame, planted: PlantedFields) -> Iterator[dict]:
    for number, axis in enumerate(_AXES):
        pairs = zip(rows["neuron"], planted.position_px[:, number], rows[f"{axis}_px"], strict=True)
        for neuron, true, learned in pairs:
            yield {"measure": f"position_{axis}", "item": str(neuron)} | {
                "planted": true,
                "recovered": learned,
            }


def _score_rows(runs: pd.DataFrame, scored: Mapping[str, str], options: dict) -> Iterator[dict]:
    tables = {role: by_replicate(runs, model) for role, model in scored.items()}
    for role, table in tables.items():
        if table.empty:
            raise ValueError(f"no scores of model {scored[role]!r}, which should be {role}")
    seed = options["seed"]
    for role in tables:
        if role == "direct":
            continue
        found = score_differences(tables[role], tables["direct"], seed=seed)
        for row in found.rename(columns={"difference": "recovered"}).to_dict("records"):
            yield (
                {"measure": "score_difference", "role": role}
                | row
                | {"comparison": f"{role} - direct"}
            )
    for scale in SCALES:
        effect = data_efficiency(tables["transferred"], tables["direct"], scale=scale, seed=seed)
        yield {"measure": "data_efficiency", "role": "transferred", "item": scale} | {
            "recovered": effect.value,
            "low": effect.interval.low,
            "high": effect.interval.high,
            "n": effect.n,
        }


def _report(table: pd.DataFrame) -> None:
    measures = ("position_error", "map_error", "score_difference", "data_efficiency")
    for row in table[table["measure"].isin(measures)].itertuples():
        words = [row.measure, row.role, row.session, row.item]
        words += [f"{row.images:.0f} images"] if row.images == row.images else []
        log.info(
            "%s: %.3f (control %.3f, interval %.3f to %.3f), n = %.0f",
            ", ".join(word for word in words if isinstance(word, str)),
            *(row.recovered, row.control, row.low, row.high, row.n),
        )
