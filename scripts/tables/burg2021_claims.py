"""The claims of Burg et al. 2021 as rows: effect, interval, p and verdict."""

import math
from dataclasses import asdict, replace
from itertools import pairwise

import pandas as pd

from v1lib.burg2021_claims import PAPER, Statistics, inhibition, of_normalization, suppression
from v1lib.claims import CLAIM_COLUMNS, Claim, weakest
from v1lib.class_performance import best_draws, fev_of_neurons, gap_error, summaries
from v1lib.files import read_csv, write_csv
from v1lib.plotting import looks
from v1lib.statistics import bootstrap_interval, difference_interval, holm, paired_comparison
from v1lib.steps import Input, Inputs, Output
from v1lib.summaries import Interval, claim_verdict
from v1lib.unlike_training import UNLIKE

_STANDARD_ERRORS = 1.959964  # half of a 95 % interval of a normal estimate
_TEST_COLUMNS = ("family", "first", "second", "n_neurons", "median_difference", "p_holm")


def main(
    *,
    rankings: Inputs,
    scores: Inputs,
    tests: Input,
    statistics: Inputs,
    claims: Output,
    roles: dict,
    baselines: list,
    criterion: str,
    n_top: int,
    judged: dict,
) -> None:
    """From rankings, scores, tests and the results of the analyses to the rows C1 to C10.

    ``statistics`` are tables of ``v1lib.burg2021_claims.STATISTIC_COLUMNS``. ``roles`` names the
    models; ``baselines`` those that C3 speaks of (their rankings and scores are among the inputs);
    ``criterion`` says which features count as oriented; ``n_top`` best draws of a search count;
    ``judged`` holds the limits: significance, inhibited_from, suppressed_from, few_neurons,
    bootstrap_seed, and whether all sizes of the pool had the same training (pools_trained_alike).
    """
    seed = judged["bootstrap_seed"]
    draws = best_draws(rankings, list(roles.values()), n_top=n_top)
    of_pairs = read_csv(tests, required=_TEST_COLUMNS)
    fev = fev_of_neurons(scores, rankings, [roles["specific"], roles["cnn"], *baselines])
    kind = draws["source_kind"].iloc[0]
    analysed = Statistics.read(statistics, criterion)
    rows = [
        share_of_gap(draws, roles, kind, seed),
        classes_differ(of_pairs, kind, judged["significance"]),
        against_baselines(fev, roles, kind, seed),
        _if_trained_alike(pool_size(draws, of_pairs, roles, kind, seed), judged),
        *(
            _if_trained_alike(row, judged) if row.claim == "C8" else row
            for row in of_normalization(analysed, kind)
        ),
        inhibition(analysed, kind, judged["inhibited_from"]),
        suppression(
            analysed,
            kind,
            suppressed_from=judged["suppressed_from"],
            few_neurons=judged["few_neurons"],
        ),
    ]
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(CLAIM_COLUMNS))
    number = table["claim"].str.removeprefix("C").astype(int)
    write_csv(table.loc[number.sort_values().index], claims)


def share_of_gap(draws: pd.DataFrame, roles: dict, kind: str, seed: int) -> Claim:
    """C1: non-specific normalization closes part of the gap to the CNN, specific one more of it."""
    order = [roles[role] for role in ("subunit", "nonspecific", "specific", "cnn")]
    table = summaries(draws[draws["model"].isin(order)], gap=(order[0], order[3]))
    table = table.set_index("model")
    steps = [
        claim_verdict(_difference(draws, better, worse, seed), above=0.0)
        for worse, better in pairwise(order)
    ]
    effect = table.loc[order[2], "gap_mean"]
    half = _STANDARD_ERRORS * gap_error(table, order[0], order[2], order[3])
    other, error = table.loc[order[1], "gap_mean"], gap_error(table, order[0], order[1], order[3])
    found = f"non-specific DN closes {other:.0f} ± {error:.0f} %"
    if math.isnan(effect):
        found = "no gap: the mean FEV of the CNN is not above that of the subunit model"
    return Claim(
        paper=PAPER,
        claim="C1",
        text="non-specific DN closes 41 % and specific DN 52 % of the gap between subunit and CNN",
        statistic="percent of the gap closed by specific DN, mean over the best draws, interval "
        "from the SEMs of all three models; verdict: each model's FEV above that of the one before "
        "(subunit, non-specific, specific, CNN), bootstrap over draws",
        n=int(table.loc[order[2], "n_models"]),
        effect=effect,
        low=effect - half,
        high=effect + half,
        verdict=weakest(steps),
        source_kind=kind,
        note=f"{found}; best {table['n_models'].min()} of {table['n_draws'].min()} draws, 10 of "
        "1000 in the paper",
    )


def classes_differ(tests: pd.DataFrame, kind: str, significance: float) -> Claim:
    """C2: all four model classes differ; the row is of the pair that differs least."""
    pairs = tests[tests["family"] == "classes"]
    closest = pairs.loc[pairs["p_holm"].fillna(1.0).idxmax()]
    n_different = int((pairs["p_holm"] < significance).sum())
    names = [look.label for look in looks(closest[["first", "second"]].tolist()).values()]
    return Claim(
        paper=PAPER,
        claim="C2",
        text="all four model classes differ significantly",
        statistic=f"median difference of FEV (%) of the pair with the largest p, {names[0]} minus "
        f"{names[1]}; best draws, Wilcoxon over neurons, Holm-corrected, family-wise level "
        f"{significance:g}; undecided where a pair does not differ",
        n=int(closest["n_neurons"]),
        effect=closest["median_difference"],
        p=closest["p_holm"],
        verdict="supported" if n_different == len(pairs) else "undecided",
        source_kind=kind,
        note=f"{n_different} of {len(pairs)} pairs differ; the paper gives p < 0.024 for all",
    )


def against_baselines(fev: pd.DataFrame, roles: dict, kind: str, seed: int) -> Claim:
    """C3: the divisive model predicts better than each baseline; the row is of the strongest.

    Args:
        fev: percent of each neuron by the specific model, the CNN and the baselines.
        roles, kind, seed: as in the step.
    """
    specific, cnn = roles["specific"], roles["cnn"]
    baselines = [model for model in fev if model not in (specific, cnn)]
    text = "DN outperforms linear-nonlinear and wavelet models, a step towards CNN performance"
    statistic = "mean paired difference of FEV (%), specific DN minus the strongest baseline"
    if not baselines:
        note = "no baseline is configured"
        return Claim(PAPER, "C3", text, statistic, 0, float("nan"), kind, note=note)
    differences = {model: fev[specific] - fev[model] for model in baselines}
    p = holm([paired_comparison(values, 0 * values).p for values in differences.values()])
    strongest = min(baselines, key=lambda model: differences[model].mean())
    interval = bootstrap_interval(differences[strongest], seed=seed)
    names = looks(baselines)
    means = [f"{names[model].label} {values.mean():+.2f}" for model, values in differences.items()]
    return Claim(
        paper=PAPER,
        claim="C3",
        text=text,
        statistic=f"{statistic}; best draws; bootstrap over neurons; p: largest of all baselines, "
        "Wilcoxon, Holm-corrected",
        n=int(differences[strongest].notna().sum()),
        effect=differences[strongest].mean(),
        low=interval.low,
        high=interval.high,
        p=max(p),
        verdict=claim_verdict(interval, above=0.0),
        source_kind=kind,
        note=f"specific DN minus {', '.join(means)}; minus the CNN "
        f"{(fev[specific] - fev[cnn]).mean():+.2f}; the baselines have the regularisation of the "
        "published notebooks",
    )


def _if_trained_alike(claim: Claim, judged: dict) -> Claim:
    """Nothing follows from pools whose networks were trained for different times."""
    if judged["pools_trained_alike"]:
        return claim
    note = f"{UNLIKE}, not comparable; {claim.note}"
    return replace(claim, verdict="not tested", note=note)


def pool_size(draws: pd.DataFrame, tests: pd.DataFrame, roles: dict, kind: str, seed: int) -> Claim:
    """C7: performance falls when the normalization pool extends in space."""
    centre, *extended = (roles[role] for role in ("specific", "pool3", "pool5", "pool7"))
    intervals = [_difference(draws, centre, pool, seed) for pool in extended]
    means = draws.groupby("model")["fev_percent"].mean()
    pairs = tests[(tests["family"] == "pools") & (tests["first"] == centre)]
    listed = [f"{looks([pool])[pool].label} {means[pool]:.2f}" for pool in extended]
    return Claim(
        paper=PAPER,
        claim="C7",
        text="test performance decreases when the normalization pool is extended in space",
        statistic="FEV (%) without minus with the largest pool, means over the best draws; "
        "bootstrap over draws; verdict: above 0 for every pool size; p: largest of the sizes, "
        "Wilcoxon over neurons between the best draws, Holm-corrected",
        n=int((draws["model"] == extended[-1]).sum()),
        effect=means[centre] - means[extended[-1]],
        low=intervals[-1].low,
        high=intervals[-1].high,
        p=pairs["p_holm"].max(),
        verdict=weakest([claim_verdict(interval, above=0.0) for interval in intervals]),
        source_kind=kind,
        note=f"mean FEV: without {means[centre]:.2f}, {', '.join(listed)}",
    )


def _difference(draws: pd.DataFrame, first: str, second: str, seed: int) -> Interval:
    """Interval of the difference of the mean FEV of two models' best draws."""
    fev = [draws.loc[draws["model"] == model, "fev_percent"] for model in (first, second)]
    return difference_interval(*fev, seed=seed)
