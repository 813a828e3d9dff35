"""Claims of Lurz et al. 2021 (reference section 1.1) as rows: what was tested, with which result.

All scores are ratios or differences of one score of the test images (the paper: fraction oracle).
What was trained where comes as ``Curves``: the evaluation scan of Fig. 5, or a collection of scans
for Figs. 3 and 4, which may be a proxy.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from v1lib.claims import Claim, weakest
from v1lib.lurz2021_curves import by_replicate
from v1lib.lurz2021_effects import Effect, data_efficiency, gain_percent
from v1lib.lurz2021_transfer import core_limits
from v1lib.statistics import bootstrap_interval
from v1lib.summaries import Interval, claim_verdict

PAPER = "lurz2021"
DIRECT, TRANSFERRED, TASK_DRIVEN = "direct", "11-S", "VGG16"
EMPTY = pd.Series(dtype=float)
# Best variant of each readout that is trained: with feature sharing where it is defined.
GAUSSIAN = ("Gaussian w/ f-s", "Gaussian w/o f-s")
FACTORISED = ("Factorised w/o f-s",)  # the state of the art that C1 speaks of


@dataclass(frozen=True)
class Curves:
    """Runs of one data set and the curves drawn from them.

    Attributes:
        runs: rows of ``lurz2021_curves.read_scored_runs`` (``lurz2021_transfer.transfer_runs``
            for Fig. 4) of the data set.
        models: model by label; ``transfer``: model by readout and condition of Fig. 4.
        missing: reason by label of what could not be trained.
        kind: "real" or "simulated".
        proxy: what the data stand in the place of, nothing for the paper's own.
        unreduced: labels whose initialisations all count.
        name: added to the claims' names, "" for the paper's own data.
        altered: labels of models that are not those of the paper.
    """

    runs: pd.DataFrame
    models: Mapping[str, str]
    kind: str
    transfer: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    proxy: tuple[str, ...] = ()
    unreduced: tuple[str, ...] = ()
    name: str = ""
    altered: tuple[str, ...] = ()

    def scores(self, label: str) -> pd.DataFrame:
        """Score by replicate (rows) and number of images of a curve; empty without runs."""
        reduction = "all" if label in self.unreduced else "best"
        return by_replicate(self.runs, self.models.get(label, ""), reduction)

    def first_of(self, labels: tuple[str, ...]) -> str:
        """The first of several labels that has runs; the last where none has."""
        return next((label for label in labels if not self.scores(label).empty), labels[-1])

    def why_missing(self, *labels: str) -> str:
        """Why curves are missing, "" if all are there."""
        reasons = [
            f"{label}: {self.missing.get(label, 'no run ended well')}"
            for label in labels
            if self.scores(label).empty
        ]
        return "; ".join(reasons)

    def claim(self, name: str) -> str:
        """The name of a claim about these data."""
        return f"{name} ({self.name})" if self.name else name

    def note(self, text: str) -> str:
        """A note that begins by saying what the data stand in the place of."""
        return "; ".join([*(f"proxy, {stands_for}" for stands_for in self.proxy), text])


def curves_of(runs: pd.DataFrame, entry: Mapping) -> Curves:
    """The runs of one data set, with what the configuration says about them.

    Args:
        runs: of all data sets.
        entry: dataset, source_kind, models, missing; name, transfer, proxy, unreduced, altered
            where they matter.
    """
    return Curves(
        runs=runs[runs["dataset"] == entry["dataset"]],
        models=entry["models"],
        kind=entry["source_kind"],
        transfer=entry.get("transfer", {}),
        missing=entry["missing"],
        proxy=tuple(entry.get("proxy", ())),
        unreduced=tuple(entry.get("unreduced", ())),
        name=entry.get("name", ""),
        altered=tuple(entry.get("altered", ())),
    )


@dataclass(frozen=True)
class Gain:
    """The gain of one curve over another with as many images as both have.

    Attributes:
        effect: percent, with its interval; NaN where a curve is missing.
        images: of all scans together.
        neurons: per scan.
    """

    effect: Effect
    images: int
    neurons: float


def gain(curves: Curves, first: str, second: str, *, seed: int) -> Gain:
    """Percent by which a curve lies above another with the most images that both have."""
    ours, theirs = curves.scores(first), curves.scores(second)
    shared = set(ours.columns) & set(theirs.columns)
    if not shared:
        return Gain(Effect(math.nan, Interval(math.nan, math.nan), 0), 0, math.nan)
    images = max(shared)
    of_first = curves.runs.loc[curves.runs["model"] == curves.models[first], "neurons"]
    effect = gain_percent(ours[images], theirs[images], seed=seed)
    return Gain(effect, int(images), float(of_first.max()))


def better_readout(curves: Curves, *, seed: int) -> Claim:
    """C1: the Gaussian readout predicts better than the factorised one."""
    first, second = curves.first_of(GAUSSIAN), curves.first_of(FACTORISED)
    return _of_gain(
        curves,
        "C1",
        "the Gaussian readout predicts better than the factorised one (published: 7 %)",
        (first, second),
        seed=seed,
    )


def better_core(curves: Curves, *, seed: int) -> Claim:
    """C2: a core of other animals predicts better than one trained on the animal itself."""
    return _of_gain(
        curves,
        "C2",
        "a core trained on other animals predicts a new animal better than direct training, with "
        "all images (published: 12 %)",
        (TRANSFERRED, DIRECT),
        seed=seed,
    )


def better_than_task_driven(curves: Curves, *, seed: int) -> Claim:
    """C3: a core of other animals predicts better than one trained on ImageNet."""
    return _of_gain(
        curves,
        "C3",
        "a core trained on other animals predicts better than an ImageNet core, VGG16 (published: "
        "33 %)",
        (TRANSFERRED, TASK_DRIVEN),
        seed=seed,
    )


def _of_gain(curves: Curves, claim: str, text: str, labels: tuple[str, str], *, seed: int) -> Claim:
    first, second = labels
    found = gain(curves, first, second, seed=seed)
    effect = found.effect
    statistic = f"percent by which the mean of {first} lies above that of {second}"
    if reason := curves.why_missing(first, second):
        return _not_tested(curves, claim, text, statistic, reason)
    all_of = "; all initialisations of direct training count" if second in curves.unreduced else ""
    return Claim(
        paper=PAPER,
        claim=curves.claim(claim),
        text=text,
        statistic=f"{statistic}; paired bootstrap over replicates; supported if above 0",
        n=effect.n,
        effect=effect.value,
        low=effect.interval.low,
        high=effect.interval.high,
        verdict=claim_verdict(effect.interval, above=0.0),
        source_kind=curves.kind,
        note=curves.note(f"{found.images:,} images, {found.neurons:,.0f} neurons per scan{all_of}"),
    )


def fewer_images(curves: Curves, *, seed: int) -> Claim:
    """C4: a core of other animals needs fewer images for the score of direct training."""
    text = (
        "a core trained on other animals reaches the score of direct training on all images with "
        "fewer images (published: 40 %)"
    )
    statistic = f"percent of the images with which {TRANSFERRED} equals {DIRECT} on all of them"
    if reason := curves.why_missing(TRANSFERRED, DIRECT):
        return _not_tested(curves, "C4", text, statistic, reason)
    scores = curves.scores(TRANSFERRED), curves.scores(DIRECT)
    effect, by_log = (
        data_efficiency(*scores, scale=scale, seed=seed) for scale in ("linear", "log")
    )
    if math.isinf(effect.value):
        found = "not reached with any number of images"
    else:
        found = f"{by_log.value:.1f} % ({by_log.interval.low:.1f} to {by_log.interval.high:.1f})"
        found = f"interpolated over the logarithm of images {found}"
    return Claim(
        paper=PAPER,
        claim=curves.claim("C4"),
        text=text,
        statistic=f"{statistic}, interpolated over images; paired bootstrap over replicates; "
        "supported if below 100 on both scales",
        n=effect.n,
        effect=math.nan if math.isinf(effect.value) else effect.value,
        low=effect.interval.low,
        high=effect.interval.high,
        verdict=weakest([_below(each.interval, 100.0) for each in (effect, by_log)]),
        source_kind=curves.kind,
        note=curves.note(found),
    )


def fewer_parameters(counted: pd.DataFrame) -> Claim:
    """C5: the Gaussian readout has fewer parameters per neuron.

    Args:
        counted: the table of parameters: readout, per_neuron, channels, height, width, source_kind.
    """
    per_neuron = counted.set_index("readout")["per_neuron"]
    ratio = float(per_neuron["factorised"] / per_neuron["gaussian_retinotopic"])
    size = counted.iloc[0]
    listed = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in per_neuron.items())
    return Claim(
        paper=PAPER,
        claim="C5",
        text="the Gaussian readout has fewer parameters per neuron than the factorised one "
        "(published: up to two orders of magnitude)",
        statistic="parameters per neuron, factorised over Gaussian with retinotopy; counted, no "
        "interval; supported if above 1",
        n=int(size["n_neurons"]),
        effect=ratio,
        low=ratio,
        high=ratio,
        verdict=claim_verdict(Interval(ratio, ratio), above=1.0),
        source_kind=size["source_kind"],
        note=f"{listed}; feature maps of {size['channels']} x {size['height']} x {size['width']}; "
        f"{math.log10(ratio):.1f} orders of magnitude; the factor grows with the feature map",
    )


def core_matters(curves: Curves, *, seed: int) -> Claim:
    """C6: with Gaussian readouts a poor core limits performance, a poor readout less so."""
    text = (
        "features learned with the Gaussian readout generalise: the core, not the readout, needs "
        "the images, more so than with the factorised readout"
    )
    statistic = (
        "best-core/diff-readout minus diff-core/best-readout with equal numbers of images, mean "
        "over all numbers but the largest, Gaussian readout"
    )
    by_readout = {
        readout: core_limits(curves.runs, models) for readout, models in curves.transfer.items()
    }
    lacking = [name for name in ("gaussian", "factorised") if by_readout.get(name, EMPTY).empty]
    if lacking:
        reasons = [f"{label}: {why}" for label, why in curves.missing.items()]
        reasons = reasons or ["fewer than two numbers of images in common"]
        reason = f"no pair of transfer curves of the {' and '.join(lacking)} readout"
        return _not_tested(curves, "C6", text, statistic, "; ".join([reason, *reasons]))
    more = (by_readout["gaussian"] - by_readout["factorised"]).dropna()
    if more.empty:
        return _not_tested(curves, "C6", text, statistic, "no replicate is of both readouts")
    ours, theirs = (by_readout[name][more.index] for name in ("gaussian", "factorised"))
    interval, of_difference = (bootstrap_interval(each, seed=seed) for each in (ours, more))
    return Claim(
        paper=PAPER,
        claim=curves.claim("C6"),
        text=text,
        statistic=f"{statistic}; bootstrap over replicates; supported if above 0 and above that of "
        "the factorised readout",
        n=len(more),
        effect=float(ours.mean()),
        low=interval.low,
        high=interval.high,
        verdict=weakest([claim_verdict(each, above=0.0) for each in (interval, of_difference)]),
        source_kind=curves.kind,
        note=curves.note(
            f"factorised readout {theirs.mean():+.3f}; Gaussian minus factorised "
            f"{more.mean():+.3f} ({of_difference.low:+.3f} to {of_difference.high:+.3f})"
        ),
    )


def with_enough(claim: Claim, least_replicates: int) -> Claim:
    """A claim over replicates; without a verdict where there are some, and too few of them."""
    if claim.n >= least_replicates or not claim.n:
        return claim
    counted = f"{claim.n} replicate{'s' if claim.n > 1 else ''}"
    few = f"{counted}: fewer than {least_replicates} are too few to test it"
    return replace(claim, verdict="not tested", note="; ".join(filter(None, [claim.note, few])))


ON_COLLECTIONS: tuple[Callable[..., Claim], ...] = (better_readout, core_matters)
ON_EVALUATION: tuple[Callable[..., Claim], ...] = (
    better_core,
    better_than_task_driven,
    fewer_images,
)


def _below(interval: Interval, threshold: float) -> str:
    return claim_verdict(Interval(-interval.high, -interval.low), above=-threshold)


def _not_tested(curves: Curves, claim: str, text: str, statistic: str, reason: str) -> Claim:
    return Claim(
        paper=PAPER,
        claim=curves.claim(claim),
        text=text,
        statistic=statistic,
        n=0,
        effect=math.nan,
        source_kind=curves.kind,
        note=curves.note(reason),
    )
