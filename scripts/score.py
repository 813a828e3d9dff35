"""Score the predictions of one model: a tidy table, one row per network, neuron and metric."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.files import write_csv
from v1lib.metrics import Evaluation, evaluate
from v1lib.predictions import Predictions, load_predictions
from v1lib.recording import Recording, load_recording
from v1lib.splits import SPLIT_CODES
from v1lib.steps import Input, Inputs, Output

_OPTIONS = {"fano"}

log = logging.getLogger(__name__)


def main(
    *,
    recording: Input,
    predictions: Inputs,
    scores: Output,
    metrics: list,
    options: dict,
) -> None:
    """From a recording and the predictions of all blocks of a model to its scores on test images.

    ``metrics`` names entries of ``v1lib.metrics.METRICS``; ``options`` holds ``fano``, the variance
    over mean that the Poisson surrogates assume of single trials. Undefined scores are NaN; a run
    that failed has no rows (its record says why).
    """
    if set(options) != _OPTIONS:
        raise ValueError(f"options are {sorted(options)}, expected {sorted(_OPTIONS)}")
    data = load_recording(recording)
    responses = data.mean_over_trials()
    n_averaged = _presentations(data)
    tables = []
    for path in predictions:
        block = load_predictions(path)
        _check(block, data, path)
        for row, seed in enumerate(block.seeds.tolist()):
            for session in block.session_names.tolist():
                neurons = data.neurons_of(session)
                evaluation = _evaluation(block, (row, session), responses, n_averaged, options)
                if evaluation is None:
                    log.warning("%s, session %s seed %d failed: no scores", path, session, seed)
                    continue
                values = evaluate(evaluation, metrics)
                tables.append(_rows(values, neurons, block, session=session, seed=seed))
    if not tables:
        raise ValueError(f"no network made predictions in {[str(path) for path in predictions]}")
    table = pd.concat(tables, ignore_index=True)
    _report(table)
    write_csv(table, scores)


def _presentations(data: Recording) -> np.ndarray:
    """Presentations behind the mean response to each image, [n_images]."""
    total = np.zeros(len(data.stimuli))
    np.add.at(total, data.image_index, data.n_averaged)
    return total


def _check(block: Predictions, data: Recording, path: Path) -> None:
    shape = (len(block.seeds), len(data.stimuli), len(data.session))
    if block.predictions.shape != shape or block.session_names.tolist() != data.session_names:
        raise ValueError(
            f"{path}: predictions {block.predictions.shape} of sessions "
            f"{block.session_names.tolist()} do not fit the recording {data.dataset}, expected "
            f"{shape} and {data.session_names}; make the predictions again"
        )


def _evaluation(
    block: Predictions,
    run: tuple[int, str],
    responses: np.ndarray,
    n_averaged: np.ndarray,
    options: dict,
) -> Evaluation | None:
    """The test images of a run (row of the block, session); None for a run that failed."""
    row, session = run
    number = block.session_names.tolist().index(session)
    neurons = block.session_index == number
    prediction = block.predictions[row][:, neurons]
    if np.isnan(prediction).all():
        return None
    if not np.isfinite(prediction).all():
        raise ValueError(
            f"model {block.model}, session {session} seed {block.seeds[row]}: some predictions are "
            "not finite; a run either predicts every image or none"
        )
    split = block.split[row, number]
    test, train = split == SPLIT_CODES["test"], split == SPLIT_CODES["train"]
    measured = responses[:, neurons]
    return Evaluation(
        prediction=prediction[test],
        response=measured[test],
        training_mean=np.nanmean(measured[train], axis=0),
        mean_response=np.nanmean(measured, axis=0),
        n_averaged=n_averaged[test],
        fano=options["fano"],
    )


def _rows(
    values: dict[str, np.ndarray],
    neurons: np.ndarray,
    block: Predictions,
    *,
    session: str,
    seed: int,
) -> pd.DataFrame:
    wide = pd.DataFrame({"neuron": neurons} | values)
    rows = wide.melt(id_vars="neuron", var_name="metric", value_name="value")
    identity = {"dataset": block.dataset, "model": block.model, "seed": seed, "session": session}
    rows = rows.assign(**identity, split="test", source_kind=block.source_kind)
    order = [*identity, "neuron", "split", "metric", "value", "source_kind"]
    return rows[order].sort_values(["neuron", "metric"], kind="stable")


def _report(table: pd.DataFrame) -> None:
    for metric, values in table.groupby("metric", sort=True)["value"]:
        log.info(
            "%s: mean %.4f over %d defined values, %d undefined",
            metric,
            values.mean(),
            values.notna().sum(),
            values.isna().sum(),
        )
