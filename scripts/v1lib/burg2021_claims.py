"""Claims of Burg et al. 2021 about what its networks have learned and how they behave in silico."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from v1lib.claims import Claim, weakest
from v1lib.files import read_csv
from v1lib.summaries import Interval, claim_verdict

PAPER = "burg2021"
STATISTIC_COLUMNS = ("role", "criterion", "statistic", "n", "value", "low", "high", "p")


@dataclass(frozen=True)
class Statistic:
    """One value with its interval, over ``n`` units; NaN where it is undefined or missing."""

    n: int
    value: float
    interval: Interval
    p: float


@dataclass(frozen=True)
class Statistics:
    """Statistics of the analyses, a row for each role of a model and statistic.

    Attributes:
        table: rows of ``STATISTIC_COLUMNS``.
        criterion: by which features count as oriented, where that plays a part.
    """

    table: pd.DataFrame
    criterion: str

    @classmethod
    def read(cls, paths: Sequence[Path], criterion: str) -> "Statistics":
        """Join the tables of statistics of several steps.

        Raises:
            ValueError: a file lacks a column.
        """
        tables = [read_csv(path, required=STATISTIC_COLUMNS) for path in paths]
        return cls(pd.concat(tables, ignore_index=True), criterion)

    def of(self, role: str, statistic: str) -> Statistic:
        """The statistic of a model.

        Raises:
            ValueError: there is none, or more than one.
        """
        rows = self.table[
            (self.table["role"] == role)
            & (self.table["statistic"] == statistic)
            & (self.table["criterion"].isna() | (self.table["criterion"] == self.criterion))
        ]
        if len(rows) != 1:
            raise ValueError(f"{len(rows)} rows of statistic {statistic!r} of {role!r}, expected 1")
        row = rows.iloc[0]
        interval = Interval(float(row["low"]), float(row["high"]))
        return Statistic(int(row["n"]), float(row["value"]), interval, float(row["p"]))


def of_normalization(found: Statistics, kind: str) -> list[Claim]:
    """Rows C4, C8, C9 and C10; ``kind`` is "real" or "simulated"."""
    return [
        similar_orientation(found, kind),
        learned_pools(found, kind),
        exponents(found, kind),
        readout(found, kind),
    ]


def similar_orientation(found: Statistics, kind: str) -> Claim:
    """C4: features are normalized by features of similar orientation more than by others."""
    ratio = found.of("specific", "similar_over_dissimilar")
    control = found.of("nonspecific", "similar_over_dissimilar")
    difference = found.of("specific", "similar_over_dissimilar_minus_control")
    per_pair = found.of("specific", "similar_over_dissimilar_per_pair")
    bins = found.of("specific", "first_over_last_bin")
    return Claim(
        paper=PAPER,
        claim="C4",
        text="oriented features are normalized preferentially by features of similar orientation, "
        "not non-specifically",
        statistic="similar over dissimilar normalization input, mean ratio over the best specific "
        "models; 95 % t interval; p: Wilcoxon; supported if above 1 and above the non-specific "
        "models (Welch interval of the difference)",
        n=ratio.n,
        effect=ratio.value,
        low=ratio.interval.low,
        high=ratio.interval.high,
        p=ratio.p,
        verdict=weakest(
            [
                claim_verdict(ratio.interval, above=1.0),
                claim_verdict(difference.interval, above=0.0),
            ]
        ),
        source_kind=kind,
        note=f"orientation by the criterion {found.criterion}; per pair {per_pair.value:.2f}; "
        f"first over last bin {bins.value:.2f}; non-specific models {control.value:.2f} "
        f"(n = {control.n}); sums over groups of different numbers of pairs, as in the paper",
    )


def learned_pools(found: Statistics, kind: str) -> Claim:
    """C8: spatial pools have their weight at the centre, and their components are alike."""
    pools = {role: found.of(role, "pool_centre_over_others") for role in ("pool5", "pool7")}
    largest = pools["pool7"]
    cosine = found.of("pool7", "pool_component_cosine")
    return Claim(
        paper=PAPER,
        claim="C8",
        text="spatially extended pools learned, on average, normalization from the centre of the "
        "receptive field; their two components are similar",
        statistic="weight at the centre over the mean of the other places, 7x7 pools of the best "
        "model, mean over features; 95 % t interval; supported if above 1 for 5x5 too",
        n=largest.n,
        effect=largest.value,
        low=largest.interval.low,
        high=largest.interval.high,
        verdict=weakest([claim_verdict(pool.interval, above=1.0) for pool in pools.values()]),
        source_kind=kind,
        note=f"5x5 pools {pools['pool5'].value:.2f}; cosine similarity of the components of 7x7 "
        f"{cosine.value:.2f}, for which the paper gives no criterion",
    )


def exponents(found: Statistics, kind: str) -> Claim:
    """C9: the distribution of the exponents, which the paper shows without a test."""
    exponent = found.of("specific", "exponent")
    parts = {name: found.of("specific", f"exponent_{name}") for name in ("oriented", "unoriented")}
    return Claim(
        paper=PAPER,
        claim="C9",
        text="distribution of the normalization exponents of oriented and unoriented features",
        statistic="mean exponent over features, mean over the best models; 95 % t interval",
        n=exponent.n,
        effect=exponent.value,
        low=exponent.interval.low,
        high=exponent.interval.high,
        source_kind=kind,
        note="; ".join(f"{name} features {part.value:.2f}" for name, part in parts.items())
        + "; the published mean could not be read, figure F5D has the distribution",
    )


def readout(found: Statistics, kind: str) -> Claim:
    """C10: the readout uses all features, which the paper shows without a test."""
    variation = found.of("specific", "readout_weight_variation")
    return Claim(
        paper=PAPER,
        claim="C10",
        text="the readout uses all features",
        statistic="coefficient of variation of the mean readout weights of the features of the "
        "best models",
        n=variation.n,
        effect=variation.value,
        source_kind=kind,
        note="the published value could not be read and no criterion is given; figure F-READOUT "
        "has the distribution",
    )


def inhibition(found: Statistics, kind: str, inhibited_from: float) -> Claim:
    """C5: models with divisive normalization show cross-orientation inhibition.

    Args:
        found, kind: as in ``of_normalization``.
        inhibited_from: index from which a neuron counts as inhibited.
    """
    share = found.of("specific", "fraction_inhibited")
    others = {role: found.of(role, "fraction_inhibited") for role in ("subunit", "cnn")}
    difference = found.of("specific", "inhibition_index_minus_subunit")
    listed = ", ".join(f"{role} {100 * other.value:.1f} %" for role, other in others.items())
    return Claim(
        paper=PAPER,
        claim="C5",
        text="models with divisive normalization show cross-orientation inhibition in silico",
        statistic=f"share of neurons with an inhibition index of {inhibited_from:g} or more, mean "
        "over the best specific models; 95 % t interval; p: Wilcoxon over neurons, index against "
        "that of the subunit models; supported if the share is above 0 and the index above theirs",
        n=share.n,
        effect=share.value,
        low=share.interval.low,
        high=share.interval.high,
        p=difference.p,
        verdict=weakest([claim_verdict(each.interval, above=0.0) for each in (share, difference)]),
        source_kind=kind,
        note=f"{listed}; index minus that of the subunit models {difference.value:+.3f} (mean over "
        f"{difference.n} neurons); the published shares could not be read",
    )


def suppression(
    found: Statistics, kind: str, *, suppressed_from: float, few_neurons: float
) -> Claim:
    """C6: hardly any neuron of the divisive models shows surround suppression.

    Args:
        found, kind: as in ``of_normalization``.
        suppressed_from: index from which a neuron counts as suppressed.
        few_neurons: share of the neurons below which the claim holds.
    """
    share = found.of("specific", "fraction_suppressed")
    index = found.of("specific", "suppression_index")
    return Claim(
        paper=PAPER,
        claim="C6",
        text="almost no neuron of the divisive models shows significant surround suppression",
        statistic=f"share of neurons with a suppression index of {suppressed_from:g} or more, mean "
        f"over the best specific models; 95 % t interval; supported if below {few_neurons:g}",
        n=share.n,
        effect=share.value,
        low=share.interval.low,
        high=share.interval.high,
        verdict=claim_verdict(
            Interval(-share.interval.high, -share.interval.low), above=-few_neurons
        ),
        source_kind=kind,
        note=f"mean suppression index {index.value:.3f} (95 % interval over models "
        f"{index.interval.low:.3f} to {index.interval.high:.3f}); the paper states no limits",
    )
