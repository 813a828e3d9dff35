"""The claims of Kindel et al. 2019 as rows: effect, interval, p and verdict."""

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy import stats

from v1lib.claims import CLAIM_COLUMNS, Claim, weakest
from v1lib.comparison import PUBLISHED_COLUMNS
from v1lib.files import read_csv, read_npz, write_csv
from v1lib.model_comparison import compare_models
from v1lib.score_files import source_kind_of
from v1lib.score_tables import choose, read_neurons
from v1lib.statistics import bootstrap_interval, difference_interval, paired_comparison
from v1lib.steps import Input, Output
from v1lib.summaries import Interval, claim_verdict, summarise

_PAPER = "kindel2019"
_SURROGATE = "CC_norm is its Poisson surrogate"
_ORIENTATION = ("quantity", "session", "neuron", "value", "selective", "source_kind")
_NEAR_SHARE = "kindel2019.claim.percent_near_limit"


def main(
    *,
    neurons: Input,
    orientation: Input,
    preferred_images: Input,
    published: Input,
    claims: Output,
    model: str,
    benchmarks: list,
    sessions: list,
    thresholds: dict,
    bootstrap_seed: int,
) -> None:
    """From results per neuron, figure K11's table and preferred images to the rows C1 to C6.

    ``thresholds``: high_correlation (CC_norm from which C1 and C3 call a prediction good),
    active_rate_hz (C2), near_ceiling (C5). ``published`` has the share that C5 states.
    """
    values = read_csv(published, required=PUBLISHED_COLUMNS).set_index("id")["value"]
    table = read_neurons(neurons)
    cells = choose(table, model, sessions)
    rows = [
        all_neurons(cells, thresholds, bootstrap_seed),
        active_neurons(cells, thresholds, bootstrap_seed),
        orientation_groups(
            read_csv(orientation, required=_ORIENTATION), thresholds, bootstrap_seed
        ),
        against_benchmarks(table, (model, *benchmarks), sessions, bootstrap_seed),
        near_the_limit(cells, thresholds, values[_NEAR_SHARE] / 100),
        preferred(
            read_npz(preferred_images, required=("stability", "source_kind")), bootstrap_seed
        ),
    ]
    write_csv(pd.DataFrame([asdict(row) for row in rows], columns=list(CLAIM_COLUMNS)), claims)


def all_neurons(cells: pd.DataFrame, thresholds: dict, seed: int) -> Claim:
    """C1: mean CC_norm over all neurons, without any selection."""
    values = cells["cc_norm_surrogate"].dropna()
    interval = bootstrap_interval(values, seed=seed)
    r = summarise(cells["correlation"], ddof=0)
    return Claim(
        paper=_PAPER,
        claim="C1",
        text=f"over {len(cells)} neurons, none left out, predicted and measured rates correlate",
        statistic=f"mean CC_norm above {thresholds['high_correlation']:g}; bootstrap over neurons; "
        "p: Wilcoxon, r above or below 0",
        n=len(values),
        effect=values.mean(),
        low=interval.low,
        high=interval.high,
        p=paired_comparison(cells["correlation"], 0 * cells["correlation"]).p,
        verdict=claim_verdict(interval, above=thresholds["high_correlation"]),
        source_kind=source_kind_of(cells),
        note=f"{_SURROGATE}, undefined for {len(cells) - len(values)} neurons; plain r, which the "
        f"noise of the responses lowers, {r.mean:.3f} ± {r.sem:.3f} (SEM) over {r.n}",
    )


def active_neurons(cells: pd.DataFrame, thresholds: dict, seed: int) -> Claim:
    """C2: neurons above the rate threshold are predicted better than the others."""
    rate = thresholds["active_rate_hz"]
    active = cells["mean_rate_hz"] > rate
    groups = [cells.loc[rows, "correlation"].dropna() for rows in (active, ~active)]
    interval = difference_interval(*groups, seed=seed)
    return Claim(
        paper=_PAPER,
        claim="C2",
        text=f"neurons above {rate:g} Hz are predicted better",
        statistic="mean r of active minus others; bootstrap over neurons; p: Mann-Whitney U",
        n=len(cells),
        effect=groups[0].mean() - groups[1].mean(),
        low=interval.low,
        high=interval.high,
        p=_mann_whitney(*groups),
        verdict=claim_verdict(interval, above=0.0),
        source_kind=source_kind_of(cells),
        note=f"{active.sum()} active neurons, mean r {groups[0].mean():.3f}; "
        f"{(~active).sum()} others, mean r {groups[1].mean():.3f}",
    )


def orientation_groups(points: pd.DataFrame, thresholds: dict, seed: int) -> Claim:
    """C3: orientation-selective and other neurons are both predicted well."""
    points = points[points["quantity"] == "cc_norm_surrogate"]
    groups = [points.loc[points["selective"] == which, "value"] for which in (1, 0)]
    means = [bootstrap_interval(group, seed=seed) for group in groups]
    difference = difference_interval(*groups, seed=seed)
    verdicts = [claim_verdict(each, above=thresholds["high_correlation"]) for each in means]
    return Claim(
        paper=_PAPER,
        claim="C3",
        text="orientation-selective and other neurons are both predicted well",
        statistic=f"verdict: mean CC_norm above {thresholds['high_correlation']:g} in both groups; "
        "effect: selective minus others; bootstrap over neurons; p: Mann-Whitney U",
        n=len(points),
        effect=groups[0].mean() - groups[1].mean(),
        low=difference.low,
        high=difference.high,
        p=_mann_whitney(*groups),
        verdict=weakest(verdicts),
        source_kind=source_kind_of(points),
        note=f"{_SURROGATE}; {groups[0].mean():.3f} (selective, n = {len(groups[0])}) and "
        f"{groups[1].mean():.3f} (others, n = {len(groups[1])}); needs responses to gratings, "
        "which the published archive does not have",
    )


def against_benchmarks(
    table: pd.DataFrame, models: Sequence[str], sessions: list, seed: int
) -> Claim:
    """C4: the CNN predicts better than every benchmark; the row is of the strongest of them."""
    reference, *others = models
    if not others:
        return Claim(
            paper=_PAPER,
            claim="C4",
            text="the CNN predicts better than benchmark models",
            statistic="mean paired difference of r",
            n=0,
            effect=math.nan,
            source_kind=source_kind_of(table),
            note="no benchmark model is configured",
        )
    compared = compare_models(
        table, others, reference=reference, sessions=sessions, bootstrap_seed=seed
    )
    strongest = compared.loc[compared["mean_difference"].idxmax()]
    interval = Interval(-strongest["difference_high"], -strongest["difference_low"])
    return Claim(
        paper=_PAPER,
        claim="C4",
        text=f"the CNN predicts better than each of {len(others)} benchmark models",
        statistic=f"mean paired difference of r, {reference} minus {strongest['model']}; bootstrap "
        "over neurons; p: Wilcoxon, Holm-corrected for all benchmarks",
        n=int(strongest["n_pairs"]),
        effect=-strongest["mean_difference"],
        low=interval.low,
        high=interval.high,
        p=strongest["p_holm"],
        verdict=claim_verdict(interval, above=0.0),
        source_kind=source_kind_of(compared),
        note="; ".join(
            f"{row['model']} {-row['mean_difference']:+.3f}" for row in compared.to_dict("records")
        ),
    )


def near_the_limit(cells: pd.DataFrame, thresholds: dict, published: float) -> Claim:
    """C5 (preprint): a share of the neurons lies within 10 % of their limit; given, not judged.

    The surrogate of CC_norm can make a published share plausible, not decide about it, and
    simulated neurons say nothing about recorded ones.

    Raises:
        ValueError: no neuron has a surrogate of its limit.
    """
    near = cells["cc_norm_surrogate"].dropna() >= thresholds["near_ceiling"]
    if near.empty:
        raise ValueError("no neuron has a Poisson surrogate of CC_norm: all are silent or noise")
    interval = stats.binomtest(int(near.sum()), len(near)).proportion_ci(0.95, method="wilson")
    kind = source_kind_of(cells)
    note = f"{_SURROGATE}, a plausibility check only; "
    note += "the preprint's definition of the limit is not known"
    if kind == "simulated":
        note = f"simulated neurons are not set against a published share; {note}"
    return Claim(
        paper=_PAPER,
        claim="C5",
        text=f"{published:.0%} of the neurons are within 10 % of their limit (preprint)",
        statistic=f"share with CC_norm of {thresholds['near_ceiling']:g} or more; Wilson interval",
        n=len(near),
        effect=near.mean(),
        low=interval.low,
        high=interval.high,
        source_kind=kind,
        note=note,
    )


def preferred(arrays: dict[str, np.ndarray], seed: int) -> Claim:
    """C6 (preprint): kinds of preferred images; judged by eye, so only their stability is given."""
    stability = arrays["stability"][~np.isnan(arrays["stability"])]
    interval = bootstrap_interval(stability, seed=seed)
    return Claim(
        paper=_PAPER,
        claim="C6",
        text="preferred images are Gabor-like, centre-surround or textures (preprint)",
        statistic="correlation of preferred images between networks, mean over neurons",
        n=len(stability),
        effect=float(stability.mean()) if len(stability) else math.nan,
        low=interval.low,
        high=interval.high,
        verdict="not tested",
        source_kind=str(arrays["source_kind"]),
        note="the kinds are told apart by eye (figure K10); the inversion procedure was not "
        "published",
    )


def _mann_whitney(first: pd.Series, second: pd.Series) -> float:
    if min(len(first), len(second)) == 0:
        return math.nan
    return float(stats.mannwhitneyu(first, second).pvalue)
