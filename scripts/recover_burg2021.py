"""Check the models of Burg et al. 2021 on simulated recordings against what was planted in them."""

import logging
from itertools import pairwise

import numpy as np
import pandas as pd

from v1lib.class_performance import fev_of_neurons
from v1lib.files import read_csv, read_npz, write_csv
from v1lib.learned_normalization import LearnedNormalization, load_normalization
from v1lib.normalization_recovery import (
    PlantedNormalization,
    by_difference,
    matched_network,
    orientation_errors,
    planted_normalization,
    recovered_matrix,
)
from v1lib.statistics import paired_comparison
from v1lib.steps import Input, Inputs, Output
from v1lib.summaries import t_interval

log = logging.getLogger(__name__)

ROLES = ("subunit", "nonspecific", "specific")  # from the weakest model to the strongest
_GABORS = ("rank", "seed", "neuron", "orientation_deg")
_COLUMNS = (
    *("dataset", "measure", "group", "comparison", "rank", "item", "orientation_difference_deg"),
    *("planted", "recovered", "control", "low", "high", "n", "p", "source_kind"),
)


def main(
    *,
    truth: Input,
    scores: Inputs,
    rankings: Inputs,
    normalization: Input,
    optimal_gabors: Input,
    recovery: Output,
    roles: dict,
    options: dict,
) -> None:
    """From the ground truth and the results of three models to one tidy table.

    Measures: ``provider_share`` (of each pair of filters, item "provider>normalized"),
    ``provider_share_by_difference``, ``provider_correlation`` (rank correlation of the former over
    pairs; control: exchanged filters), ``preferred_orientation`` (degrees, one row per neuron),
    ``preferred_orientation_error`` (median; control: exchanged neurons), ``fev_advantage`` (percent
    FEV, one row per neuron and comparison) and ``fev_advantage_mean`` (with a 95 % t interval and
    Wilcoxon's p). Groups are the planted classes of neurons, or of the filters that are normalized.

    Args:
        truth: ground truth of the simulation.
        scores, rankings: of the three models.
        normalization, optimal_gabors: of the model with specific normalization.
        recovery: the table.
        roles: names of the models: subunit, nonspecific, specific.
        options: ``n_top``, best draws whose FEV is averaged and whose filters are compared;
            ``min_likeness``, cosine from which a learned filter counts as a planted one;
            ``bin_width_deg``; ``n_permutations`` and ``seed`` of the controls.

    Raises:
        ValueError: the files do not belong together; the message names them.
    """
    planted = planted_normalization(read_npz(truth), truth)
    learned = load_normalization(normalization).of_ranks(1, options["n_top"])
    models = [roles[name] for name in ROLES]
    fev = fev_of_neurons(scores, rankings, models, n_top=options["n_top"])
    gabors = read_csv(optimal_gabors, required=_GABORS)
    n_neurons = len(planted.neuron_class)
    for path, neurons in ((scores[0], fev.index), (optimal_gabors, gabors["neuron"].unique())):
        if sorted(neurons) != list(range(n_neurons)):
            raise ValueError(f"{path} has {len(neurons)} neurons, {truth} has {n_neurons}")
    rows = [
        *_normalization_rows(learned, planted, options),
        *_orientation_rows(gabors[gabors["rank"] <= options["n_top"]], planted, options),
        *_advantage_rows(fev.set_axis(list(ROLES), axis=1), planted),
    ]
    table = pd.DataFrame(rows)
    table = table.assign(dataset=learned.dataset, source_kind=learned.source_kind)
    write_csv(table.reindex(columns=list(_COLUMNS)), recovery)
    _report(table)


def _normalization_rows(
    learned: LearnedNormalization, planted: PlantedNormalization, options: dict
) -> list[dict]:
    rows = []
    for row, rank in enumerate(learned.rank.tolist()):
        matched = matched_network(learned, row, planted, min_likeness=options["min_likeness"])
        found = recovered_matrix(
            matched,
            planted,
            n_permutations=options["n_permutations"],
            seed=options["seed"],
        )
        rows.append(
            {"measure": "provider_correlation", "rank": rank, "recovered": found.rho}
            | {"control": found.control_rho, "p": found.p, "n": found.n_pairs}
        )
        for provider, normalized in np.argwhere(~np.isnan(found.recovered)).tolist():
            rows.append(
                {"measure": "provider_share", "group": planted.feature_class[normalized]}
                | {"rank": rank, "item": f"{provider}>{normalized}"}
                | {"planted": found.planted[provider, normalized]}
                | {"recovered": found.recovered[provider, normalized]}
            )
        rows += [
            {"rank": rank} | each
            for name in ("specific", "nonspecific")
            for each in _bins(found.planted, found.recovered, planted, name, options)
        ]
    return rows


def _bins(
    theirs: np.ndarray, ours: np.ndarray, planted: PlantedNormalization, name: str, options: dict
) -> list[dict]:
    width = options["bin_width_deg"]
    means, (n_pairs, _) = zip(
        *(by_difference(shares, planted, name, bin_width_deg=width) for shares in (theirs, ours)),
        strict=True,
    )
    return [
        {
            "measure": "provider_share_by_difference",
            "group": name,
            "orientation_difference_deg": (bin_ + 0.5) * width,
            "planted": means[0][bin_],
            "recovered": means[1][bin_],
            "n": n_pairs[bin_],
        }
        for bin_ in range(len(n_pairs))
    ]


def _orientation_rows(
    gabors: pd.DataFrame, planted: PlantedNormalization, options: dict
) -> list[dict]:
    rows = []
    for rank, of_rank in gabors.groupby("rank"):
        # The same stripes whichever way they are crossed.
        recovered = of_rank.sort_values("neuron")["orientation_deg"].to_numpy() % 180
        errors, control, p = orientation_errors(
            recovered,
            planted.neuron_orientation_deg,
            n_permutations=options["n_permutations"],
            seed=options["seed"],
        )
        oriented = np.flatnonzero(~np.isnan(errors))
        rows.append(
            {"measure": "preferred_orientation_error", "rank": rank, "control": control, "p": p}
            | {"recovered": np.median(errors[oriented]) if len(oriented) else np.nan}
            | {"n": len(oriented)}
        )
        rows += [
            {
                "measure": "preferred_orientation",
                "group": planted.neuron_class[neuron],
                "rank": rank,
                "item": str(neuron),
                "planted": planted.neuron_orientation_deg[neuron],
                "recovered": recovered[neuron],
                "orientation_difference_deg": errors[neuron],
            }
            for neuron in oriented.tolist()
        ]
    return rows


def _advantage_rows(fev: pd.DataFrame, planted: PlantedNormalization) -> list[dict]:
    """FEV of one model over the next weaker one, by class of the neurons; specific over subunit."""
    roles = list(fev)
    rows = []
    for weaker, stronger in [*pairwise(roles), (roles[0], roles[-1])]:
        comparison = f"{stronger} - {weaker}"
        difference = (fev[stronger] - fev[weaker]).to_numpy()
        for name in np.unique(planted.neuron_class):
            neurons = np.flatnonzero(planted.neuron_class == name)
            of_class = fev.iloc[neurons]
            test = paired_comparison(of_class[stronger], of_class[weaker])
            interval = t_interval(difference[neurons])
            common = {"group": name, "comparison": comparison}
            rows.append(
                common
                | {"measure": "fev_advantage_mean", "recovered": test.mean_difference}
                | {"low": interval.low, "high": interval.high, "n": test.n, "p": test.p}
            )
            rows += [
                common | {"measure": "fev_advantage", "item": str(n), "recovered": difference[n]}
                for n in neurons.tolist()
            ]
    return rows


def _report(table: pd.DataFrame) -> None:
    summaries = ("provider_correlation", "preferred_orientation_error", "fev_advantage_mean")
    for row in table[table["measure"].isin(summaries)].itertuples():
        words = [row.measure, row.group, row.comparison]
        words += [f"rank {row.rank:.0f}"] if row.rank == row.rank else []
        log.info(
            "%s: %.3f (control %.3f), n = %.0f, p = %.3g",
            ", ".join(word for word in words if isinstance(word, str)),
            *(row.recovered, row.control, row.n, row.p),
        )
