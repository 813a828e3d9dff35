"""The claims of Pogoncheff et al. 2023 (reference section 1.1), tested over seeds."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from v1lib.claims import Claim, weakest
from v1lib.pogoncheff2023_grid import COMPONENTS, Roles, difference, of_model
from v1lib.pogoncheff2023_pages import header_of
from v1lib.pogoncheff2023_tables import (
    CORRUPTED,
    PAPER,
    RELATIVE,
    UNITS,
    alignment_of,
    network_kind,
    over_seeds,
)
from v1lib.statistics import rank_correlation
from v1lib.summaries import claim_verdict

_INTERVAL = "95 % interval: Welch's t over seeds"
_MECHANISM = "{} how well the network explains V1"
_ADVERSARIAL = "adversarial training of the full composite raises its V1 alignment"
_RECOLLECTED = "the wording is recollected, not read"


@dataclass(frozen=True)
class Networks:
    """What the claims are tested with.

    Attributes:
        values: rows of ``v1lib.pogoncheff2023_tables.alignments``.
        models: model by label, of all networks whose V1 alignment was measured.
        roles: of the networks that claims name.
        note: limits of all tests: the profile, what the score lacks.
        least_units: at the stimuli, of every run of the networks that a claim compares; with fewer
            its test has no verdict.
    """

    values: pd.DataFrame
    models: Mapping[str, str]
    roles: Roles
    note: str
    least_units: int

    @property
    def quantity(self) -> str:
        """The score that is judged."""
        return alignment_of(self.values)

    @property
    def score(self) -> str:
        """Its name, with how many properties it has."""
        return header_of(over_seeds(self.values, self.models), self.quantity)

    @property
    def kind(self) -> str:
        """Source kind of the images that networks learned from."""
        return network_kind(self.values)

    def rows(self, label: str) -> pd.DataFrame:
        """Scores of a network, one per seed."""
        return of_model(self.values, self.models[label], self.quantity)

    def units(self, labels: Iterable[str]) -> pd.Series:
        """Units at the stimuli of every run of some networks."""
        return self._values(labels, UNITS)

    def n_missing(self, labels: Iterable[str]) -> int:
        """How many runs of some networks have no score."""
        return int(self._values(labels, self.quantity).isna().sum())

    def _values(self, labels: Iterable[str], quantity: str) -> pd.Series:
        models = [self.models[label] for label in labels]
        rows = self.values[self.values["model"].isin(models)]
        return rows.loc[rows["quantity"] == quantity, "value"]

    def best(self, labels: list[str]) -> str:
        """The one of these networks with the largest mean score; "" of none."""
        scored = [label for label in labels if len(self.rows(label))]
        return max(scored, key=lambda label: self.rows(label)["value"].mean(), default="")

    def compared(
        self, claim: str, text: str, first: str, second: str, *, among: Iterable[str] = ()
    ) -> Claim:
        """The claim that the first of two networks has the larger score.

        A network without a name was not trained, and the claim is not tested. Nor is it where a
        run of one of the networks has too few units, or none: ``among`` are those that the second
        was chosen from, whose scores matter, too.
        """
        if not (first and second):
            why = "a network that it is about was not trained, or has no score"
            return self.untested(claim, text, why)
        found = difference(self.rows(first), self.rows(second))
        few = "" if math.isfinite(found.interval.low) else "fewer than two seeds on a side"
        compared = {first, second, *among}
        units, n_missing = self.units(compared), self.n_missing(compared)
        reasons = [f"{_counted(units)} units at the stimuli"]
        if units.min() < self.least_units:
            reasons[0] += f", fewer than {self.least_units} are too few to test it"
        if n_missing:
            reasons.append(f"{n_missing} of {len(units)} runs have no score")
        is_tested = units.min() >= self.least_units and not n_missing
        return Claim(
            paper=PAPER,
            claim=claim,
            text=text,
            statistic=f"difference of {self.score}, {first} minus {second}; {_INTERVAL}",
            n=min(len(self.rows(label)) for label in (first, second)),
            effect=found.value,
            low=found.interval.low,
            high=found.interval.high,
            verdict=claim_verdict(found.interval, above=0.0) if is_tested else "not tested",
            source_kind=self.kind,
            note="; ".join(filter(None, [few, *reasons, self.note])),
        )

    def untested(self, claim: str, text: str, why: str) -> Claim:
        """A claim that the networks cannot speak on."""
        return Claim(PAPER, claim, text, "none", 0, math.nan, self.kind, note=why)


def mechanisms(networks: Networks) -> Iterator[Claim]:
    """C1: each of the four mechanisms, and all of them together, raise V1 alignment.

    The row C1 is of the smallest difference and holds if all do; each has a row of its own.
    """
    roles = networks.roles
    tested = {
        f"{name} raises": roles.single.get(component, "") for component, name in COMPONENTS.items()
    }
    tested["all four raise"] = roles.full
    rows = []
    for said, label in tested.items():
        claim = f"C1 ({said.rpartition(' ')[0]})"
        rows.append(networks.compared(claim, _MECHANISM.format(said), label, roles.baseline))
    smallest = min(rows, key=lambda row: math.inf if math.isnan(row.effect) else row.effect)
    yield replace(
        smallest,
        claim="C1",
        text=_MECHANISM.format("each of four mechanisms, alone and all together, raises"),
        verdict=weakest([row.verdict for row in rows]),
        note=f"the smallest of the differences below; supported only if all are; {smallest.note}",
    )
    yield from rows


def composites(networks: Networks) -> Claim:
    """C2: with several mechanisms V1 is explained better than with any one of them."""
    roles = networks.roles
    single = list(roles.single.values())
    text = "networks with several mechanisms explain V1 best"
    row = networks.compared("C2", text, roles.full, networks.best(single), among=single)
    compared = "the second is the best of the four mechanisms of C1"
    others = "“best at the time of publication” needs scores of other laboratories' models"
    return replace(row, note=f"{compared}; {others}; {row.note}")


def parameters_examined(kind: str) -> Claim:
    """C3: says what was looked at, without a quantity that could be tested."""
    return Claim(
        paper=PAPER,
        claim="C3",
        text="learned parameters and maximally activating stimuli support the role of the "
        "mechanisms",
        statistic="none: the claim names no quantity",
        n=0,
        effect=math.nan,
        source_kind=kind,
        note="descriptive; figures P5 and P6 show parameters before and after training, and the "
        "stimuli",
    )


def robust(networks: Networks, accuracies: pd.DataFrame, evaluated: Mapping[str, str]) -> Claim:
    """C4: robustness was measured; how it goes with V1 alignment is given, not judged.

    Args:
        networks: with V1 alignment.
        accuracies: rows of ``v1lib.pogoncheff2023_tables.robustness``.
        evaluated: model by label that was shown corrupted images.
    """
    labels = [label for label in networks.models if label in evaluated]
    alignment = [networks.rows(label)["value"].mean() for label in labels]
    found = {
        quantity: [
            of_model(accuracies, evaluated[label], quantity)["value"].mean() for label in labels
        ]
        for quantity in (CORRUPTED, RELATIVE)
    }
    rho, _, n = rank_correlation(alignment, found[CORRUPTED])  # networks share parts: no test
    share = rank_correlation(alignment, found[RELATIVE])[0]
    return Claim(
        paper=PAPER,
        claim="C4",
        text="V1 alignment is measured on ImageNet-trained networks, robustness on corrupted "
        "images",
        statistic=f"Spearman's rho of {networks.score} and mean corrupted accuracy, over networks",
        n=n,
        effect=rho,
        source_kind=network_kind(accuracies),
        note=f"says how it was measured, not what was found; rho with corrupted / clean {share:.2f}"
        f"; {_counted(networks.units(labels))} units at the stimuli; {networks.note}",
    )


def _counted(units: pd.Series) -> str:
    """Numbers of units from the smallest to the largest: "9 to 60"."""
    low, high = units.min(), units.max()
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def adversarial(networks: Networks, twin: str) -> Claim:
    """C5: adversarial training raises the V1 alignment of the network with all mechanisms.

    Args:
        networks: what was measured.
        twin: label of that network, adversarially trained; "" without.
    """
    row = networks.compared("C5", _ADVERSARIAL, twin, networks.roles.full)
    return replace(row, note=f"{_RECOLLECTED}; settings of the training are not known; {row.note}")


def strongest(networks: Networks) -> Claim:
    """C6: of the single mechanisms cortical magnification raises V1 alignment most."""
    single = networks.roles.single
    others = [label for name, label in single.items() if name != "magnification"]
    text = "cortical magnification gives the largest gain of a single mechanism"
    first = single.get("magnification", "")
    row = networks.compared("C6", text, first, networks.best(others), among=others)
    lacking = [name for key, name in COMPONENTS.items() if key not in single]
    aside = f"not trained: {', '.join(lacking)}; " if lacking else ""
    return replace(row, note=f"{_RECOLLECTED}; {aside}{row.note}")
