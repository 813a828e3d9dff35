"""Our results for every published value of Kindel et al. 2019 that has one."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from v1lib.comparison import (
    AT_LEAST,
    Measured,
    as_table,
    fact,
    over_neurons,
    over_splits,
)
from v1lib.files import write_csv
from v1lib.predictions import load_predictions
from v1lib.recording import Recording, load_recording
from v1lib.score_files import read_runs, read_scores
from v1lib.score_tables import by_run_and_neuron, choose, read_neurons
from v1lib.search_tables import draws_of
from v1lib.splits import SPLIT_CODES
from v1lib.steps import Input, Inputs, Output

_PAPER = "kindel2019"
_SURROGATE = "Poisson surrogate of CC_norm: the archive has no single trials"
_OWN_BANK = "our own Gabor bank: the original's 1089 features were not published"
_LNLN_SPLITS = {"08": 6}  # published runs per session, else 7 [notebook: LNLN_evaluation]
_SEARCHED_UNITS = ("150", "250", "375", "500", "900")  # [notebook: LNLN_hyperopt]
_PRINTED_SPLITS = range(1, 6)  # of LN-LN in session 01 [notebook: LNLN_evaluation, cell 7]

_CNN_SETTINGS = {  # id: where a run record has it
    "learning_rate": ("training", "learning_rate"),
    "steps": ("training", "max_steps"),
    "batch_size": ("training", "batch_size"),
    "conv1_filters": ("params", "conv1", "filters"),
    "conv2_filters": ("params", "conv2", "filters"),
    "conv1_kernel": ("params", "conv1", "kernel"),
    "conv2_kernel": ("params", "conv2", "kernel"),
    "pool_kernel": ("params", "conv1", "pool_kernel"),
    "pool_stride": ("params", "conv1", "pool_stride"),
    "hidden_units": ("params", "hidden_units"),
    "dropout_keep_probability": ("params", "dropout_keep"),
    "convolution_layers": ("params", "num_conv_layers"),
}


def main(
    *,
    neurons: Input,
    scores: Inputs,
    runs: Inputs,
    predictions: Input,
    recording: Input,
    measured: Output,
    roles: dict,
    sessions: list,
    active_rate_hz: float,
    near_ceiling: float,
) -> None:
    """From results and run records to one row per published value, with spread and comparability.

    ``roles`` names the models: cnn, and, where they were run, lnln, gabor, lnln_search and the list
    vgg. ``scores`` and ``runs`` are theirs; ``predictions`` is one block of the cnn.
    """
    data = load_recording(recording)
    records = read_runs(runs)
    tables = by_run_and_neuron(read_scores(scores))
    cells = choose(read_neurons(neurons), roles["cnn"], sessions)
    kind = data.source_kind
    rows = [
        *claims(cells, kind, active_rate_hz=active_rate_hz, near_ceiling=near_ceiling),
        *facts(data, kind),
        *split_sizes(load_predictions(predictions).split, kind),
        *settings(records, roles, kind),
    ]
    if "lnln" in roles:
        rows += lnln(tables[tables["model"] == roles["lnln"]], sessions, kind)
    if "gabor" in roles:
        rows += gabor(tables[tables["model"] == roles["gabor"]], sessions, kind)
    if "lnln_search" in roles:
        of_search = records[records["model"] == roles["lnln_search"]]
        rows += lnln_search(draws_of(tables, of_search, []), kind)
    table = as_table(rows)
    write_csv(table.assign(id=f"{_PAPER}." + table["id"]), measured)


def claims(
    cells: pd.DataFrame, kind: str, *, active_rate_hz: float, near_ceiling: float
) -> Iterator[Measured]:
    """Numbers of the abstracts, from the neurons of the population."""
    active = cells[cells["mean_rate_hz"] > active_rate_hz]
    yield fact("population.n_neurons", len(cells), kind)
    yield fact("claim.active_rate_hz", active_rate_hz, kind)
    for name, group in (("cc_norm_all", cells), ("cc_norm_active", active)):
        why = f"{_SURROGATE} (plain r: {group['correlation'].mean():.3f})"
        yield over_neurons(f"claim.{name}", group["cc_norm_surrogate"], kind, comparability=why)
    surrogate = cells["cc_norm_surrogate"].dropna()
    share = float((surrogate >= near_ceiling).mean())
    error = 100 * math.sqrt(share * (1 - share) / len(surrogate)) if len(surrogate) else math.nan
    yield Measured(
        "claim.percent_near_limit",
        100 * share,
        kind,
        spread=error,
        spread_type="binomial SE over neurons",
        n=len(surrogate),
        error=error,
        comparability=f"{_SURROGATE}; the preprint's definition of the limit is not known",
    )


def facts(data: Recording, kind: str) -> Iterator[Measured]:
    """Counts of the recording that was used."""
    for session in data.session_names:
        yield fact(f"data.cells_session{session}", len(data.neurons_of(session)), kind)
    yield fact("data.cells_all", len(data.session), kind)
    yield fact("data.n_images", len(data.stimuli), kind)
    yield fact("data.image_side_px", data.stimuli.shape[-1], kind)
    for repeats in np.unique(data.n_averaged)[:1]:
        yield fact("data.n_repeats", repeats, kind)


def split_sizes(split: np.ndarray, kind: str) -> Iterator[Measured]:
    """Images per set, which must be the same in every run of the block [seeds, sessions, images].

    Raises:
        ValueError: runs differ.
    """
    names = {"train": "n_train", "validation": "n_early_stop", "test": "n_evaluation"}
    for name, id_ in names.items():
        sizes = np.unique((split == SPLIT_CODES[name]).sum(axis=-1))
        if len(sizes) > 1:
            raise ValueError(f"runs differ in their number of {name} images: {sizes.tolist()}")
        yield fact(f"split.{id_}", sizes[0], kind)


def settings(records: pd.DataFrame, roles: dict, kind: str) -> Iterator[Measured]:
    """Hyperparameters with which the models were really run."""
    cnn = _entry(records, roles["cnn"])
    for id_, path in _CNN_SETTINGS.items():
        yield fact(f"cnn.{id_}", _at(cnn, path), kind)
    if "lnln" in roles:
        lnln_entry = _entry(records, roles["lnln"])
        yield fact("lnln.hidden_units", lnln_entry["params"]["hidden_units"], kind)
        yield fact("lnln.learning_rate", lnln_entry["training"]["learning_rate"], kind)
    if "gabor" in roles:
        alpha = float(_entry(records, roles["gabor"])["training"]["alphas"][0])
        yield Measured("gabor.alpha", alpha, kind, comparability=_OWN_BANK)
    if roles.get("vgg"):
        entries = {model: _entry(records, model) for model in roles["vgg"]}
        yield fact("vgg.n_layers", len(entries), kind)
        first = next(iter(entries.values()))
        yield fact("vgg.crop_px", first["params"]["frame"]["crop_px"], kind)
        for entry in entries.values():
            if entry["params"]["layer"] == "conv3_2":
                units = float(entry["n_features"])  # those that vary over the images
                id_ = "vgg.conv3_2_units_lower_bound"
                yield Measured(id_, units, kind, spread_type=AT_LEAST)


def _entry(records: pd.DataFrame, model: str) -> dict:
    of_model = records[records["model"] == model]
    if of_model.empty:
        raise ValueError(f"no run of model {model!r} ended well")
    return of_model.iloc[0].to_dict()


def _at(record: dict, path: tuple[str, ...]) -> float:
    value = record
    for key in path:
        value = value[key]
    return float(value)


def lnln(runs: pd.DataFrame, sessions: list, kind: str) -> Iterator[Measured]:
    """LN-LN: median over splits of the mean r per session; session 01 also on single splits."""
    runs = runs.assign(r=runs["correlation"].fillna(0.0))
    medians = []
    for session in sessions:
        of_session = runs[runs["session"] == session]
        by_split = of_session.groupby("seed")[["r", "loss", "baseline_loss"]].mean()
        median = over_splits(
            f"lnln.median_of_splits_session{session}",
            by_split["r"],
            kind,
            statistic="median",
            published_splits=_LNLN_SPLITS.get(session, 7),
        )
        medians.append((of_session["neuron"].nunique(), median))
        yield median
        if session != "01":
            continue
        for id_, column in (("r", "r"), ("loss", "loss"), ("baseline", "baseline_loss")):
            for number in _PRINTED_SPLITS:
                yield over_splits(
                    f"lnln.session01_split{number}_{id_}",
                    by_split[column],
                    kind,
                    statistic="mean",
                    published_splits=1,
                )
    yield _cell_weighted(medians, kind)


def _cell_weighted(medians: list[tuple[int, Measured]], kind: str) -> Measured:
    """Mean of the session medians weighted by cells; errors of sessions are independent."""
    cells = np.array([n for n, _ in medians])
    weights = cells / cells.sum()
    error = math.hypot(*(weights * [each.error for _, each in medians]))
    return Measured(
        "lnln.cell_weighted_median",
        float(weights @ [each.value for _, each in medians]),
        kind,
        spread=error,
        spread_type="SE from splits",
        n=int(cells.sum()),
        error=error,
        published_sampling_error=math.hypot(
            *(weights * [each.published_sampling_error for _, each in medians])
        ),
    )


def gabor(runs: pd.DataFrame, sessions: list, kind: str) -> Iterator[Measured]:
    """Gabor ridge: median r over cells and splits per session."""
    runs = runs.assign(r=runs["correlation"].fillna(0.0))
    for session in sessions:
        r = runs[runs["session"] == session]
        by_split = r.groupby("seed")["r"].median()
        yield Measured(
            f"gabor.median_session{session}",
            float(r["r"].median()),
            kind,
            spread=float(by_split.std()),
            spread_type="SD over splits of the median over cells",
            n=len(by_split),
            comparability=_OWN_BANK,
        )


def lnln_search(draws: pd.DataFrame, kind: str) -> Iterator[Measured]:
    """LN-LN unit search: median over splits of the mean r, for the units that were published."""
    for units, rows in draws.groupby("value"):
        if units in _SEARCHED_UNITS:
            yield over_splits(
                f"lnln_search.units_{units}",
                rows["mean_r"],
                kind,
                statistic="median",
                published_splits=7,
            )
