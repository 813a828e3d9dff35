"""What every search drew, how many draws failed, and where its best draws lie."""

import math

import numpy as np
import pandas as pd

from v1lib.files import read_csv, write_csv
from v1lib.markdown import markdown_table, plus_minus, write_markdown
from v1lib.plotting import looks
from v1lib.rankings import DRAW_PREFIX, RANK_COLUMNS
from v1lib.score_files import source_kind_of
from v1lib.statistics import rank_correlation
from v1lib.steps import Inputs, Output

_HEADER = ("model", "planned", "done", "failed", "validation r, best", "validation r, draws", "FEV")
_DRAWN = ("model", "drawn", "best draw", "best draws", "all draws", "rho with validation r")
_NOTE = (
    "Planned: draws that the configuration asks for. Validation r: correlation with single "
    "validation trials, mean over neurons; of the best draw, and mean ± SD over all draws that did "
    "not fail. FEV: of the best draw, in percent of the explainable variance of the test images."
)
_DRAWN_NOTE = (
    "Drawn values: of the best draw; median (lowest to highest) of the {n_top} best draws and of "
    "all that did not fail; Spearman's correlation of the value with the validation r over all."
)


def main(
    *,
    draws: Inputs,
    table: Output,
    markdown: Output,
    planned: dict,
    n_top: int,
) -> None:
    """From the draws of several searches to one row per model and drawn value.

    ``planned``: number of draws by model. A model without a search (its seeds draw nothing) has one
    row. ``n_top``: best draws of a search that are analysed.
    """
    columns = [*RANK_COLUMNS, "status", "reason"]
    searches = pd.concat([read_csv(path, required=columns) for path in draws], ignore_index=True)
    rows = []
    if missing := sorted(set(planned) - set(searches["model"])):
        raise ValueError(f"no draws of model {missing[0]!r} in {[str(path) for path in draws]}")
    for model, of_model in searches.groupby("model", sort=False):
        counted = _counted(of_model, planned[model])
        names = [name for name in of_model if name.startswith(DRAW_PREFIX)]
        drawn = [name for name in names if of_model[name].notna().any()]
        kind = {"source_kind": source_kind_of(of_model)}
        rows += [counted | _distribution(of_model, name, n_top) | kind for name in drawn or [""]]
    found = pd.DataFrame(rows)
    write_csv(found, table)
    _write_page(found, markdown, n_top)


def _counted(draws: pd.DataFrame, n_planned: int) -> dict[str, object]:
    ok = draws[draws["status"] == "ok"].sort_values("rank")
    failed = draws[draws["status"] == "failed"]
    return {
        "dataset": draws["dataset"].iloc[0],
        "model": draws["model"].iloc[0],
        "n_planned": n_planned,
        "n_done": len(draws),
        "n_failed": len(failed),
        "failures": "; ".join(f"{n} x {why}" for why, n in failed["reason"].value_counts().items()),
        "best_seed": ok["seed"].iloc[0],
        "best_validation_correlation": ok["validation_correlation"].iloc[0],
        "mean_validation_correlation": ok["validation_correlation"].mean(),
        "sd_validation_correlation": ok["validation_correlation"].std(),
        "best_fev_percent": 100 * ok["fev"].iloc[0],
    }


def _distribution(draws: pd.DataFrame, name: str, n_top: int) -> dict[str, object]:
    """Values drawn of one hyperparameter: by the best draw, the best ``n_top``, and all."""
    ok = draws[draws["status"] == "ok"].sort_values("rank")
    values = ok[name] if name else pd.Series(dtype=float)
    found: dict[str, object] = {"drawn": name.removeprefix(DRAW_PREFIX)}
    found["best_value"] = values.iloc[0] if name else math.nan
    for group, part in (("top", values[:n_top]), ("all", values)):
        quantiles = part.quantile([0, 0.5, 1]).to_numpy() if name else np.full(3, np.nan)
        found |= dict(
            zip((f"{group}_low", f"{group}_median", f"{group}_high"), quantiles, strict=True)
        )
    rho = rank_correlation(values, ok["validation_correlation"])[0] if name else math.nan
    return found | {"rho_with_validation_correlation": rho}


def _write_page(found: pd.DataFrame, markdown: Output, n_top: int) -> None:
    names = {model: look.label for model, look in looks(found["model"].unique().tolist()).items()}
    once = found.drop_duplicates("model").to_dict("records")
    drawn = found[found["drawn"] != ""].to_dict("records")
    failures = [
        f"{names[row['model']]}, failed draws: {row['failures']}."
        for row in once
        if row["n_failed"]
    ]
    parts = [
        _NOTE,
        markdown_table(_HEADER, [_line(row, names) for row in once]),
        *failures,
        _DRAWN_NOTE.format(n_top=n_top),
        markdown_table(_DRAWN, [_drawn_line(row, names) for row in drawn]),
    ]
    write_markdown(markdown, "Searches", parts, source_kind=source_kind_of(found))


def _line(row: dict, names: dict[str, str]) -> list[object]:
    spread = plus_minus(row["mean_validation_correlation"], row["sd_validation_correlation"])
    best = round(row["best_validation_correlation"], 3)
    counts = (row["n_planned"], row["n_done"], row["n_failed"])
    return [names[row["model"]], *counts, best, spread, round(row["best_fev_percent"], 2)]


def _drawn_line(row: dict, names: dict[str, str]) -> list[object]:
    ranges = [
        f"{row[f'{group}_median']:.2g} ({row[f'{group}_low']:.2g} to {row[f'{group}_high']:.2g})"
        for group in ("top", "all")
    ]
    name = row["drawn"].replace("_", " ")
    rho = row["rho_with_validation_correlation"]
    return [names[row["model"]], name, f"{row['best_value']:.2g}", *ranges, rho]
