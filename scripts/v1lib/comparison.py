"""Published values beside ours: how a result is stated, and when it counts as reproduced."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from v1lib.files import read_csv
from v1lib.markdown import markdown_table, plus_minus
from v1lib.summaries import agreement, summarise

PUBLISHED_COLUMNS = (
    *("id", "paper", "item", "dataset", "model", "metric", "value", "error", "error_type"),
    *("n", "source", "verified"),
)
MEASURED_COLUMNS = (
    *("id", "value", "spread", "spread_type", "n", "error", "published_sampling_error"),
    *("source_kind", "comparability", "note"),
)
EXACT, AT_LEAST, AT_MOST = "exact", "at least", "at most"
# An estimate of a normal sample's median scatters this much more than that of its mean.
_MEDIAN_OVER_MEAN = math.sqrt(math.pi / 2)
_ROUNDING, _LESS_THAN_ONE = 1e-6, 0.5  # relative, of facts typed by hand; counts stay exact

REPRODUCED_WITHIN = 2.0  # combined standard errors: about 95 % of repetitions of one experiment
RULE = (
    f"Rule: a value is *reproduced* if it lies within {REPRODUCED_WITHIN:g} combined standard "
    "errors of the published one. Combined are our own standard error, the published error (or the "
    "precision of a value read off a figure), and, where the published value is a mean or median "
    "over random splits without a stated error, the error that our spread over splits implies for "
    "it. Facts (counts, settings) must be equal. Results on simulated data are never compared."
)


@dataclass(frozen=True)
class Measured:
    """One of our results, to be set beside a published value.

    Attributes:
        id: of the published value.
        value: ours; NaN if there is none (``note`` says why).
        spread, spread_type, n: what a reader is told, such as a SEM over n neurons.
        error: our standard error; NaN for facts.
        published_sampling_error: standard error of the published value that follows from our
            spread; NaN where it states its own error.
        source_kind: "real" or "simulated".
        comparability: why the two cannot be set against each other; "" if they can.
        note: anything else worth knowing.
    """

    id: str
    value: float
    source_kind: str
    spread: float = math.nan
    spread_type: str = ""
    n: float = math.nan
    error: float = math.nan
    published_sampling_error: float = math.nan
    comparability: str = ""
    note: str = ""


def fact(id_: str, value: float, source_kind: str, *, note: str = "") -> Measured:
    """A count or a setting, which must equal the published one."""
    return Measured(id_, float(value), source_kind, spread_type=EXACT, note=note)


def over_splits(
    id_: str,
    values: Sequence[float],
    source_kind: str,
    *,
    statistic: str,
    published_splits: int,
    comparability: str = "",
) -> Measured:
    """Mean or median over random splits, published for other random splits of the same data.

    A single split of ours has no error, so it is not comparable.

    Args:
        id_, source_kind, comparability: see ``Measured``.
        values: [n_splits], our result on each split.
        statistic: "mean" or "median".
        published_splits: number of splits behind the published value.
    """
    summary = summarise(values, ddof=1)
    factor = {"mean": 1.0, "median": _MEDIAN_OVER_MEAN}[statistic]
    published_factor = factor if published_splits > 1 else 1.0
    return Measured(
        id_,
        summary.mean if statistic == "mean" else summary.median,
        source_kind,
        spread=summary.sd,
        spread_type="SD over splits",
        n=summary.n,
        error=factor * summary.sem,
        published_sampling_error=published_factor * summary.sd / math.sqrt(published_splits),
        comparability=comparability or ("one split only" if summary.n == 1 else ""),
    )


def over_neurons(
    id_: str, values: Sequence[float], source_kind: str, *, comparability: str = ""
) -> Measured:
    """Mean over neurons with its SEM (ddof 0, as Kindel et al. 2019)."""
    summary = summarise(values, ddof=0)
    return Measured(
        id_,
        summary.mean,
        source_kind,
        spread=summary.sem,
        spread_type="SEM over neurons",
        n=summary.n,
        error=summary.sem,
        comparability=comparability,
    )


def as_table(results: Sequence[Measured]) -> pd.DataFrame:
    """Results as a table of ``MEASURED_COLUMNS``.

    Raises:
        ValueError: an id appears twice.
    """
    table = pd.DataFrame([asdict(result) for result in results], columns=list(MEASURED_COLUMNS))
    twice = table.loc[table["id"].duplicated(), "id"].tolist()
    if twice:
        raise ValueError(f"{twice[0]} is measured twice")
    return table


def compare(published: Path, measured: Sequence[Path]) -> pd.DataFrame:
    """Every published value with ours, the difference and a verdict.

    Args:
        published: table of ``PUBLISHED_COLUMNS``.
        measured: tables of ``MEASURED_COLUMNS``, one per paper.

    Returns:
        The published columns (value as ``published``, n as ``n_published``); ours, spread,
        spread_type, n_ours, difference, combined_error, verdict (reproduced, differs, not
        comparable, not run), reason, source_kind. ``ours`` is empty for simulated data.

    Raises:
        ValueError: a table lacks a column, an id is unknown or appears twice.
    """
    values = read_csv(published, required=PUBLISHED_COLUMNS)
    results = pd.concat([read_csv(path, required=MEASURED_COLUMNS) for path in measured])
    for name, table in ((published, values), (list(map(str, measured)), results)):
        if table["id"].duplicated().any():
            raise ValueError(
                f"{name}: id {table.loc[table['id'].duplicated(), 'id'].iloc[0]} twice"
            )
    if unknown := sorted(set(results["id"]) - set(values["id"])):
        raise ValueError(f"no published value has the id {unknown[0]!r}; see {published}")
    texts = ["spread_type", "source_kind", "comparability", "note"]
    both = values.rename(columns={"value": "published", "n": "n_published"}).merge(
        results.rename(columns={"value": "ours", "n": "n_ours", "error": "our_error"}),
        on="id",
        how="left",
    )
    both[texts] = both[texts].astype(object).where(both[texts].notna(), "")
    simulated = both["source_kind"] == "simulated"
    both.loc[simulated, ["ours", "spread", "n_ours", "our_error"]] = np.nan
    both["difference"] = both["ours"] - both["published"]
    both["combined_error"] = [_combined_error(row) for row in both.to_dict("records")]
    judged = [_verdict(row) for row in both.to_dict("records")]
    both["verdict"], both["reason"] = zip(*judged, strict=True)
    kept = [name for name in both if name not in ("comparability", "note", "our_error")]
    return both[[name for name in kept if name != "published_sampling_error"]]


def _combined_error(row: dict) -> float:
    errors = [row["our_error"], row["error"], row["published_sampling_error"]]
    known = [error for error in errors if not math.isnan(error)]
    return math.hypot(*known) if known else math.nan


def _verdict(row: dict) -> tuple[str, str]:
    if row["source_kind"] == "simulated":
        return "not run", "simulated data"
    if math.isnan(row["ours"]):
        return "not run", row["note"] or "no run of this configuration gives this value"
    if row["comparability"]:
        return "not comparable", "; ".join(filter(None, [row["comparability"], row["note"]]))
    if row["spread_type"] == AT_LEAST:
        return ("reproduced" if row["difference"] >= 0 else "differs"), row["note"]
    if row["spread_type"] == AT_MOST:
        return ("reproduced" if row["difference"] <= 0 else "differs"), row["note"]
    if row["spread_type"] == EXACT:
        precision = 0.0 if math.isnan(row["error"]) else row["error"]
        rounding = min(_ROUNDING * abs(row["published"]), _LESS_THAN_ONE)
        equal = abs(row["difference"]) <= max(precision, rounding)
        return ("reproduced" if equal else "differs"), row["note"]
    verdict = agreement(
        row["ours"],
        row["published"],
        our_error=row["combined_error"],
        published_error=math.nan,
        n_errors=REPRODUCED_WITHIN,
    )
    if verdict == "not comparable":
        return verdict, row["note"] or "neither value has an error"
    recalled = "the published value is recalled, not read" if row["verified"] == "memory" else ""
    return verdict, "; ".join(filter(None, [row["note"], recalled]))


def page_table(judged: pd.DataFrame) -> str:
    """Rows of ``compare`` as a Markdown table."""
    header = ("item", "data", "model", "quantity", "published", "ours", "difference", "verdict")
    return markdown_table(header, [_line(row) for row in judged.to_dict("records")])


def _line(row: dict) -> list[object]:
    names = [row[name] if pd.notna(row[name]) else "" for name in ("item", "dataset", "model")]
    published = f"{row['published']:g}" + (f" ± {row['error']:g}" if row["error"] > 0 else "")
    verdict = f"{row['verdict']}: {row['reason']}" if row["reason"] else row["verdict"]
    return [*names, row["metric"], published, _ours(row), row["difference"], verdict]


def _ours(row: dict) -> str:
    if math.isnan(row["ours"]):
        return ""
    if math.isnan(row["spread"]):
        return f"{row['ours']:.6g}"
    spread = f"({row['spread_type']}, n = {row['n_ours']:.0f})"
    return f"{plus_minus(row['ours'], row['spread'])} {spread}"
