"""K7: the CNN against the other models (claim C4)."""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.model_comparison import compare_models
from v1lib.score_files import source_kind_of
from v1lib.score_tables import read_neurons
from v1lib.steps import Input, Output

_STEP_COLUMNS = ("model", "session", "late")


def main(
    *,
    neurons: Input,
    steps: Input,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    reference: str,
    sessions: list,
    bootstrap_seed: int,
) -> None:
    """Mean r ± SEM over neurons per model, and paired differences to the reference model.

    Differences are over the same neurons, with 95 % bootstrap intervals (resampling neurons) and
    the p of Wilcoxon's signed-rank test, corrected for the number of models (Holm). ``steps``: the
    table of K9; models with networks that were selected late say how many were.
    """
    cells = read_neurons(neurons)
    table_of_models = compare_models(
        cells, models, reference=reference, sessions=sessions, bootstrap_seed=bootstrap_seed
    )
    late = late_runs(read_csv(steps, required=_STEP_COLUMNS), sessions)
    table_of_models = table_of_models.join(late, on="model")
    table_of_models["source_kind"] = table_of_models.pop("source_kind")
    with plotting.style():
        row_cm = 0.82 if late["n_late"].any() else 0.62  # of two lines, or of one
        page = plotting.new_figure(plotting.WIDE_CM, 2.4 + row_cm * len(models))
        bars, differences = plotting.panels(page, 1, 2, widths=[1, 1.25])
        _draw_bars(bars, table_of_models)
        _draw_differences(differences, table_of_models, reference)
    plotting.save_figure(page, figure, pdf, source_kind_of(table_of_models))
    write_csv(table_of_models, table)


def late_runs(steps: pd.DataFrame, sessions: list) -> pd.DataFrame:
    """By model, networks of these sessions (n_runs) and those selected late (n_late)."""
    by_model = steps[steps["session"].isin(sessions)].groupby("model")["late"]
    return by_model.agg(n_runs="size", n_late="sum")


def _rows(ax: Axes, table: pd.DataFrame, *, named: bool) -> list[plotting.Look]:
    looks = list(plotting.looks(table["model"].tolist()).values())
    late = [
        f"\n{row.n_late:.0f} of {row.n_runs:.0f} selected late" if row.n_late > 0 else ""
        for row in table.itertuples()
    ]
    labels = [look.label + words for look, words in zip(looks, late, strict=True)]
    ax.set_yticks(range(len(table)), labels if named else [""] * len(table))
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    return looks


def _draw_bars(ax: Axes, table: pd.DataFrame) -> None:
    looks = _rows(ax, table, named=True)
    colours = [look.colour for look in looks]
    ax.barh(range(len(table)), table["mean_r"], xerr=table["sem_r"], color=colours, height=0.7)
    for row, (mean, error) in enumerate(zip(table["mean_r"], table["sem_r"], strict=True)):
        ax.annotate(
            f"{mean:.3f} ± {error:.3f}",
            (max(mean, 0) + error, row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=6,
        )
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set(xlabel="r (evaluation images), mean ± SEM")
    ax.set_xlim(min(0.0, table["mean_r"].min() * 1.2), table["mean_r"].max() * 1.4)
    ax.set_title(f"n = {table['n_neurons'].max()} neurons")


def _draw_differences(ax: Axes, table: pd.DataFrame, reference: str) -> None:
    looks = _rows(ax, table, named=False)
    name = plotting.looks([reference])[reference].label
    ax.axvline(0, color="black", linewidth=0.6)
    for row, (look, values) in enumerate(zip(looks, table.to_dict("records"), strict=True)):
        if values["model"] == reference:
            _beside(ax, row, "reference")
            continue
        low, high = values["difference_low"], values["difference_high"]
        ax.hlines(row, low, high, color=look.colour, linewidth=2)
        ax.plot(values["mean_difference"], row, "o", color=look.colour, markersize=4)
        _beside(ax, row, _p_text(values["p_holm"]))
    ax.margins(x=0.06)
    ax.set(xlabel=f"difference of r to {name} (paired; 95 % bootstrap interval)")
    ax.set_title("p: Wilcoxon signed rank, Holm-corrected")


def _beside(ax: Axes, row: int, text: str) -> None:
    ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=6)


def _p_text(p: float) -> str:
    if pd.isna(p):
        return "p undefined"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
