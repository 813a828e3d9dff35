"""Our results for every published value of Lurz et al. 2021 that has one."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from v1lib.comparison import Measured, as_table, fact
from v1lib.files import read_csv, write_csv
from v1lib.lurz2021_claims import (
    DIRECT,
    FACTORISED,
    GAUSSIAN,
    PAPER,
    TASK_DRIVEN,
    TRANSFERRED,
    Curves,
    Gain,
    curves_of,
    gain,
)
from v1lib.lurz2021_curves import curves, reduced
from v1lib.lurz2021_effects import Effect, data_efficiency
from v1lib.lurz2021_published import point_id
from v1lib.lurz2021_transfer import transfer_runs
from v1lib.scans import open_scans
from v1lib.steps import Input, Inputs, Output
from v1lib.summaries import Interval, summarise

_SCORE = "fraction_oracle"  # what the paper publishes
_PUBLISHED_REPLICATES = 5
_ALL_IMAGES = {"fig3": 17596, "fig5": 4472}  # of all scans together
_INTERVAL_SE = 2 * 1.959964  # standard errors in a 95 % interval of a normal estimate
_ONE_REPLICATE = "one replicate only"
_CHOSEN_HERE = "chosen on a grid of ours, unless config.yaml gives the authors' value"
_PENALISED = {"direct": "gaussian", "VGG16": "vgg16", "random VGG16": "random_vgg16"}
_PANELS = {"factorised": "fig4a", "gaussian": "fig4b"}
_PARAMETERS = ("readout", "per_neuron", "core", "is_comparable", "source_kind")


def main(
    *,
    populations: Inputs,
    records: Inputs,
    parameters: Input,
    recording: Input,
    published: Input,
    measured: Output,
    evaluation: dict,
    collections: list,
    bootstrap_seed: int,
) -> None:
    """From scores, counted parameters and the evaluation scan to one row per published value.

    ``evaluation``, ``collections`` and ``records`` as in the claims; ``collections`` also have
    ``ablation`` (model by label). ``published`` says which values are known. What stands in the
    place of the paper's own collections gives no row.
    """
    runs = transfer_runs(populations, records, _SCORE)
    known = set(read_csv(published, required=["id"])["id"])
    on_evaluation = curves_of(runs, evaluation)
    rows = [
        *points_of(on_evaluation, "fig5", bootstrap_seed),
        *effects_of_fig5(on_evaluation, bootstrap_seed),
        *runs_of_transfer(on_evaluation),
        *penalties(on_evaluation),
        *counted(read_csv(parameters, required=_PARAMETERS)),
        *recorded(recording, evaluation["source_kind"]),
    ]
    for entry in collections:
        if not entry["proxy"]:
            rows += of_collection(runs, entry, bootstrap_seed)
    write_csv(as_table([row for row in rows if row.id in known]), measured)


_ALTERED = "a core of another width than the paper's"


def points_of(
    found: Curves, figure: str, seed: int, *, by_neurons: bool = False
) -> Iterator[Measured]:
    """Every point of every curve of a figure, and the ends of its interval.

    Args:
        found: the curves.
        figure: as in ``point_id``.
        seed: of the bootstrap.
        by_neurons: the figure tells numbers of neurons apart; otherwise the largest counts.
    """
    for label, model in found.models.items():
        runs = found.runs[found.runs["model"] == model]
        runs = runs if by_neurons else runs[runs["neurons"] == runs["neurons"].max()]
        unreduced = [label] if label in found.unreduced else []
        drawn = curves(runs, {label: model}, seed=seed, unreduced=unreduced)
        counted = reduced(runs, "all" if unreduced else "best")
        for row in drawn.itertuples():
            here = (counted["images"] == row.images) & (counted["neurons"] == row.neurons)
            neurons = int(row.neurons) if by_neurons else None
            name = point_id(figure, label, int(row.total_images), neurons=neurons)
            mean = over_replicates(name, counted[here], "value", found.kind)
            yield _reserved(mean, _ALTERED) if label in found.altered else mean
            for end in ("low", "high"):
                bound = Measured(f"{name}_{end}", getattr(row, end), found.kind)
                yield _reserved(bound, "end of an interval over runs of ours")


def over_replicates(id_: str, runs: pd.DataFrame, column: str, kind: str) -> Measured:
    """Mean over replicates; several initialisations of one that count are averaged first.

    The published mean is over five replicates, which scatter like ours.
    """
    summary = summarise(runs.groupby("replicate")[column].mean(), ddof=1)
    return Measured(
        id_,
        summary.mean,
        kind,
        spread=summary.sd,
        spread_type="SD over replicates",
        n=summary.n,
        error=summary.sem,
        published_sampling_error=summary.sd / math.sqrt(_PUBLISHED_REPLICATES),
        comparability=_ONE_REPLICATE if summary.n == 1 else "",
    )


def effects_of_fig5(found: Curves, seed: int) -> Iterator[Measured]:
    """Ratios at full data and the data efficiency; nothing where a curve is missing."""
    named = {
        DIRECT: ("ratio_11_s_direct", "transfer_gain_percent", "transfer_gain_percent_poster"),
        TASK_DRIVEN: ("ratio_11_s_vgg16", "transfer_over_vgg16_percent"),
    }
    for label, (ratio, *percents) in named.items():
        of_both = gain(found, TRANSFERRED, label, seed=seed)
        yield from _ratio(of_both, "fig5", [ratio, *percents], found.kind)
    scores = found.scores(TRANSFERRED), found.scores(DIRECT)
    efficiency = data_efficiency(*scores, scale="linear", seed=seed)
    if efficiency.n and math.isfinite(efficiency.interval.high):
        result = _of_effect(f"{PAPER}.claim.data_efficiency_percent", efficiency, found.kind)
        yield _with_all_images(result, max(scores[1].columns), "fig5")


def _ratio(found: Gain, figure: str, names: list[str], kind: str) -> Iterator[Measured]:
    """The ratio of two curves by the first name, the gain in percent by the others."""
    effect = found.effect
    if not effect.n:
        return
    bounds = Interval(1 + effect.interval.low / 100, 1 + effect.interval.high / 100)
    as_ratio = Effect(1 + effect.value / 100, bounds, effect.n)
    results = [_of_effect(f"{PAPER}.{figure}.{names[0]}", as_ratio, kind)]
    results += [_of_effect(f"{PAPER}.claim.{percent}", effect, kind) for percent in names[1:]]
    for result in results:
        yield _with_all_images(result, found.images, figure)


def _with_all_images(result: Measured, images: float, figure: str) -> Measured:
    """Not comparable where the paper trained with another number of images."""
    published = _ALL_IMAGES[figure]
    if images == published:
        return result
    return _reserved(result, f"with {images:.0f} images, published with {published}")


def _of_effect(id_: str, effect: Effect, kind: str) -> Measured:
    error = (effect.interval.high - effect.interval.low) / _INTERVAL_SE
    return Measured(
        id_,
        effect.value,
        kind,
        spread=error,
        spread_type="SE, bootstrap over replicates",
        n=effect.n,
        error=error,
        published_sampling_error=error * math.sqrt(effect.n / _PUBLISHED_REPLICATES),
        comparability=_ONE_REPLICATE if effect.n == 1 else "",
    )


def runs_of_transfer(found: Curves) -> Iterator[Measured]:
    """Each run of the transferred core with all images: the authors print five of theirs."""
    model = found.models.get(TRANSFERRED, "")
    runs = reduced(found.runs[found.runs["model"] == model], "best")
    runs = runs[runs["images"] == runs["images"].max()]
    names = {"value": _SCORE, "validation": "validation_correlation"}
    for column, name in names.items():
        sd = summarise(runs[column], ddof=1).sd
        for run in runs.itertuples():
            result = Measured(
                f"{PAPER}.fig5.11_s.run_{run.replicate + 1}_{name}",
                getattr(run, column),
                found.kind,
                spread=sd,
                spread_type="SD over replicates",
                n=len(runs),
                error=sd,
                published_sampling_error=sd,
                comparability=_ONE_REPLICATE if len(runs) == 1 else "",
            )
            yield _with_all_images(result, run.images, "fig5")
    if len(runs):
        mean = over_replicates(f"{PAPER}.fig5.11_s.mean_of_runs", runs, "value", found.kind)
        yield _with_all_images(mean, runs["images"].max(), "fig5")


def penalties(found: Curves) -> Iterator[Measured]:
    """Penalty of the readout by number of images."""
    for label, name in _PENALISED.items():
        runs = found.runs[found.runs["model"] == found.models.get(label, "")]
        for images, rows in runs.groupby("images"):
            id_ = f"{PAPER}.penalty.{name}.images_{images:.0f}"
            yield _reserved(Measured(id_, rows["penalty"].iloc[0], found.kind), _CHOSEN_HERE)


def counted(parameters: pd.DataFrame) -> Iterator[Measured]:
    """Parameters of the readouts and of the core; only of feature maps of the published size."""
    for row in parameters[parameters["is_comparable"]].itertuples():
        id_ = f"{PAPER}.readout_parameters.{row.readout}"
        yield fact(id_, row.per_neuron, row.source_kind)
    if parameters["is_comparable"].any():
        first = parameters.iloc[0]
        yield fact(f"{PAPER}.core.n_parameters", first["core"], first["source_kind"])


def recorded(recording: Path, kind: str) -> Iterator[Measured]:
    """Counts of the evaluation scan."""
    scans = open_scans(recording).values()
    sizes = {"n_neurons": sum(scan.n_neurons for scan in scans)}
    names = {"n_train": "train", "n_validation": "validation", "n_test_trials": "test"}
    for name, split in names.items():
        sizes[name] = sum(len(scan.trials(split)) for scan in scans)
    sizes["n_trials"] = sum(sizes[name] for name in names)
    for name, size in sizes.items():
        yield fact(f"{PAPER}.data.{name}", size, kind)


def of_collection(runs: pd.DataFrame, entry: dict, seed: int) -> Iterator[Measured]:
    """Figs 3 and 4, ablation and claim C1 on a collection that is the paper's own."""
    found = curves_of(runs, entry)
    yield from points_of(found, "fig3", seed, by_neurons=True)
    of_both = gain(found, GAUSSIAN[0], FACTORISED[0], seed=seed)
    names = ["ratio_gaussian_factorised", "gaussian_gain_percent"]
    yield from _ratio(of_both, "fig3", names, found.kind)
    for readout, models in entry["transfer"].items():
        yield from points_of(replace(found, models=models), _PANELS[readout], seed)
    yield from points_of(replace(found, models=entry["ablation"]), "ablation", seed)


def _reserved(result: Measured, why: str) -> Measured:
    return replace(result, comparability=why)
