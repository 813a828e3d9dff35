"""Results of hyperparameter searches: one row per draw, with what was set and how well it did.

A draw sets one factor to one value (``v1lib.search``). A search may hold a starting point that
sets nothing; it then counts for every factor, at the value that factor has there.
"""

from collections.abc import Sequence

import pandas as pd

_DRAW = ["model", "session", "seed"]
_POINT = ["model", "factor", "value"]


def draws_of(cells: pd.DataFrame, runs: pd.DataFrame, pooled_models: Sequence[str]) -> pd.DataFrame:
    """One row per draw and factor that it stands for.

    Args:
        cells: one row per run and neuron (``score_tables.by_run_and_neuron``).
        runs: run records (``score_files.read_runs``).
        pooled_models: models whose ``line`` is the median over cells x splits, not the median over
            splits of the mean over cells.

    Returns:
        model, session, seed, factor, value (text), is_start, split_seed, mean_r over n_cells
        (undefined r counts 0), and for all draws of the value: n_splits, median_of_splits,
        lower_quartile, upper_quartile, median_of_cells_and_splits, line.

    Raises:
        ValueError: no run of the searches has scores.
    """
    cells = cells.assign(r=cells["correlation"].fillna(0.0))
    per_run = cells.groupby(_DRAW)["r"].agg(mean_r="mean", n_cells="size").reset_index()
    draws = _with_start(runs).merge(per_run, on=_DRAW, validate="many_to_one")
    if draws.empty:
        raise ValueError(f"no scores of the searches {sorted(runs['model'].unique())}")
    groups = draws.groupby(_POINT)["mean_r"]
    summary = groups.agg(n_splits="size", median_of_splits="median")
    summary["lower_quartile"] = groups.quantile(0.25)
    summary["upper_quartile"] = groups.quantile(0.75)
    pooled = cells.merge(draws[[*_DRAW, "factor", "value"]], on=_DRAW).groupby(_POINT)["r"]
    summary["median_of_cells_and_splits"] = pooled.median()
    draws = draws.merge(summary.reset_index(), on=_POINT)
    is_pooled = draws["model"].isin(list(pooled_models))
    draws["line"] = draws["median_of_splits"].mask(is_pooled, draws["median_of_cells_and_splits"])
    return draws


def _with_start(runs: pd.DataFrame) -> pd.DataFrame:
    """Draws of all searches; those of a starting point appear once for each factor."""
    frames = []
    for _, records in runs.groupby("model", sort=False):
        draws = _plain_draws(records)
        settings = pd.DataFrame([_leaves(record) for record in records.to_dict("records")])
        usual = {name: settings[name].mode().iloc[0] for name in settings}
        changed = pd.DataFrame({name: settings[name] != usual[name] for name in settings})
        single = draws.groupby("factor")["value"].transform("nunique") == 1
        draws["is_start"] = (single & ~changed.any(axis=1)).to_numpy()
        frames.append(draws)
        for factor, rows in draws[~draws["is_start"]].groupby("factor", sort=False):
            leaf = _leaf_of(rows, settings, changed)
            if leaf is not None:
                start = draws[draws["is_start"]]
                frames.append(start.assign(factor=factor, value=as_text(usual[leaf])))
    return pd.concat(frames, ignore_index=True)


def _plain_draws(records: pd.DataFrame) -> pd.DataFrame:
    draws = records[_DRAW].reset_index(drop=True)
    draws["factor"] = [draw["factor"] for draw in records["draw"]]
    draws["value"] = [as_text(draw["value"]) for draw in records["draw"]]
    draws["split_seed"] = [seeds["split"] for seeds in records["seeds"]]
    return draws


def _leaf_of(rows: pd.DataFrame, settings: pd.DataFrame, changed: pd.DataFrame) -> str | None:
    """The setting that a factor varies: where it differs from usual, it equals the drawn value."""
    for name in settings:
        varied = changed.loc[rows.index, name]
        values = settings.loc[rows.index, name].map(as_text)
        if varied.any() and (values[varied] == rows.loc[varied[varied].index, "value"]).all():
            return name
    return None


def _leaves(record: dict) -> dict[str, object]:
    """``{"params.conv1.kernel": 3, …}`` of a run record; lists as text, so that they compare."""
    found: dict[str, object] = {}
    waiting = [("params", record["params"]), ("training", record["training"])]
    while waiting:
        name, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            found[name] = as_text(value) if isinstance(value, list) else value
    return found


def as_text(value: object) -> str:
    """A drawn value as it labels an axis: 5e-5, 0.35, 150; lists by their items."""
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    mantissa, exponent = f"{value:.6e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
