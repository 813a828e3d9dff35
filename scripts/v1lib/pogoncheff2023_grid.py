"""Which networks of Pogoncheff et al. 2023 have which components, and what each of them adds.

Source: reference section 1.3. Components are read off the settings of the networks, not off names.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import pandas as pd
from scipy import stats

from v1lib.summaries import Interval, summarise

COMPONENTS = {
    "center_surround": "center-surround",
    "local_fields": "local RF",
    "normalization": "normalization",
    "magnification": "cortical magnification",
}
_CLAIMED = {
    "center_surround": "released",
    "local_fields": "local",
    "normalization": "tuned",
    "magnification": "polar",
}
EFFECT_COLUMNS = (
    *("component", "kind", "with_label", "without_label", "with_model", "without_model", "dataset"),
    *("quantity", "difference", "low", "high", "n_with", "n_without", "note", "source_kind"),
)


def ticks(params: Mapping) -> dict[str, str]:
    """What a network has of each component, in a word or two; "" where it has none.

    Args:
        params: arguments of ``v1lib.models.pogoncheff2023.resnet``.
    """
    found = dict.fromkeys(COMPONENTS, "")
    if surround := params["center_surround"]:
        n_blocks = len(surround["blocks"])
        form = "" if surround["form"] == "released" else f"{surround['form']}, "
        found["center_surround"] = f"yes ({form}{n_blocks} block{'s' if n_blocks > 1 else ''})"
    if fields := params["local_fields"]:
        found["local_fields"] = "yes (with dropout)" if fields["dropout"] else "yes"
    found["normalization"] = params["normalization"] or ""
    found["magnification"] = "yes" if params["magnification"] else ""
    return found


@dataclass(frozen=True)
class Pair:
    """Two networks of which one has one component more.

    Attributes:
        component, kind: a name of ``COMPONENTS``, and which (form of the surround, normalization).
        larger, smaller: labels of the networks.
        note: in what else they differ; "" if in nothing.
    """

    component: str
    kind: str
    larger: str
    smaller: str
    note: str


def pairs(networks: Mapping[str, Mapping]) -> Iterator[Pair]:
    """All pairs of networks that differ in the presence of one component.

    Args:
        networks: arguments of ``v1lib.models.pogoncheff2023.resnet`` by label.
    """
    kinds = {label: _kinds(params) for label, params in networks.items()}
    for component in COMPONENTS:
        for larger, smaller in permutations(networks, 2):
            with_it, without = kinds[larger], kinds[smaller]
            if with_it[component] and with_it | {component: ""} == without:
                note = _other_differences(networks[larger], networks[smaller], component)
                yield Pair(component, with_it[component], larger, smaller, note)


def effects(
    values: pd.DataFrame,
    models: Mapping[str, str],
    networks: Mapping[str, Mapping],
    *,
    quantity: str,
) -> pd.DataFrame:
    """How much each component adds to a quantity, in every pair of networks that isolates it.

    Args:
        values: rows of ``v1lib.pogoncheff2023_tables.VALUE_COLUMNS``.
        models: model by label.
        networks: see ``pairs``.
        quantity: which.

    Returns:
        ``EFFECT_COLUMNS``: difference of the means over seeds, with minus without the component,
        and its 95 % interval (NaN with fewer than two seeds on a side). ``n_with`` and
        ``n_without`` are seeds with a value; the difference is NaN where a side has none.
    """
    rows = []
    for pair in pairs(networks):
        named = {"with": models[pair.larger], "without": models[pair.smaller]}
        of_both = {side: of_model(values, model, quantity) for side, model in named.items()}
        asked = [_asked(values, model, quantity) for model in named.values()]
        if any(part.empty for part in asked):
            continue
        found = difference(of_both["with"], of_both["without"])
        first = asked[0].iloc[0]
        rows.append(
            {
                **{"component": pair.component, "kind": pair.kind, "quantity": quantity},
                **{"with_label": pair.larger, "without_label": pair.smaller, "note": pair.note},
                **{f"{side}_model": model for side, model in named.items()},
                **{f"n_{side}": len(part) for side, part in of_both.items()},
                **{name: first[name] for name in ("dataset", "source_kind")},
                **{"difference": found.value, "low": found.interval.low},
                "high": found.interval.high,
            }
        )
    return pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))


@dataclass(frozen=True)
class Roles:
    """Which networks claims are about, by label.

    Attributes:
        baseline: has no component.
        single: the networks that have one of the four mechanisms alone, by component (those there
            are); of center-surround the released form, of normalization the tuned one.
        full: has all four; "" without.
    """

    baseline: str
    single: dict[str, str]
    full: str


def roles_of(networks: Mapping[str, Mapping]) -> Roles:
    """The roles of networks, read off their settings; of several that fit, the first.

    Args:
        networks: see ``pairs``.

    Raises:
        ValueError: there is no network without components.
    """
    found = {}
    for label, params in networks.items():
        kinds = _kinds(params)
        present = tuple(name for name, kind in kinds.items() if kind)
        if all(kinds[name] == _CLAIMED[name] for name in present):
            found.setdefault(present, label)
    if () not in found:
        raise ValueError(f"every network has a component, none is the baseline: {sorted(networks)}")
    single = {name: found[name,] for name in COMPONENTS if (name,) in found}
    return Roles(found[()], single, found.get(tuple(COMPONENTS), ""))


@dataclass(frozen=True)
class Difference:
    """Difference of two means over seeds, with its 95 % interval."""

    value: float
    interval: Interval


def difference(first: pd.DataFrame, second: pd.DataFrame) -> Difference:
    """Of the means of column ``value``, first minus second; interval of Welch's t (ddof 1)."""
    groups = [summarise(part["value"], ddof=1) for part in (first, second)]
    interval = Interval(math.nan, math.nan)
    if min(group.n for group in groups) > 1:
        test = stats.ttest_ind(first["value"], second["value"], equal_var=False)
        interval = Interval(*map(float, test.confidence_interval()))
    return Difference(groups[0].mean - groups[1].mean, interval)


def of_model(values: pd.DataFrame, model: str, quantity: str) -> pd.DataFrame:
    """Rows of a model and a quantity that have a value, one per seed."""
    return _asked(values, model, quantity).dropna(subset=["value"])


def _asked(values: pd.DataFrame, model: str, quantity: str) -> pd.DataFrame:
    """The same with those that have no value: seeds in which nothing was measured."""
    return values[(values["model"] == model) & (values["quantity"] == quantity)]


def _kinds(params: Mapping) -> dict[str, str]:
    surround = params["center_surround"]
    return {
        "center_surround": surround["form"] if surround else "",
        "local_fields": "local" if params["local_fields"] else "",
        "normalization": params["normalization"] or "",
        "magnification": "polar" if params["magnification"] else "",
    }


def _other_differences(first: Mapping, second: Mapping, component: str) -> str:
    """Components that both have in another way; the released networks are not strictly nested."""
    differing = [
        name for key, name in COMPONENTS.items() if key != component and first[key] != second[key]
    ]
    return f"not nested: other settings of {', '.join(differing)}" if differing else ""
