"""K9: the training step selected by the early-stop loss, per session and split."""

import math

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.score_files import read_runs, source_kind_of
from v1lib.steps import Inputs, Output

_COLUMNS = 2


def main(
    *,
    runs: Inputs,
    figure: Output,
    pdf: Output,
    table: Output,
    models: list,
    sessions: list,
    late_fraction: float,
) -> None:
    """One panel per model: selected step of every run, median per session, and the last step.

    A run that selects a step beyond ``late_fraction`` of its training was still improving at its
    end; the title counts these.
    """
    steps = steps_of(read_runs(runs), models, sessions, late_fraction)
    with plotting.style():
        n_columns = min(_COLUMNS, len(models))
        n_rows = math.ceil(len(models) / n_columns)
        page = plotting.new_figure(0.8 + 8.5 * n_columns, 5.6 * n_rows)
        axes = plotting.panels(page, n_rows, n_columns)
        for ax in axes[len(models) :]:
            ax.remove()
        for ax, model in zip(axes, models, strict=False):
            _draw(
                ax,
                steps[steps["model"] == model],
                sessions,
                plotting.looks(models)[model],
                late_fraction,
            )
    plotting.save_figure(page, figure, pdf, source_kind_of(steps))
    write_csv(steps, table)


def steps_of(
    runs: pd.DataFrame, models: list, sessions: list, late_fraction: float
) -> pd.DataFrame:
    """Selected step of every run: dataset, model, session, seed, best_step, max_steps, late."""
    runs = runs[runs["model"].isin(models) & runs["session"].isin(sessions)]
    missing = [model for model in models if model not in set(runs["model"])]
    if missing:
        raise ValueError(f"no run of {missing} in sessions {sessions}")
    columns = ["dataset", "model", "session", "seed", "best_step", "source_kind"]
    steps = runs[columns].assign(max_steps=[training["max_steps"] for training in runs["training"]])
    steps["late"] = (steps["best_step"] > late_fraction * steps["max_steps"]).astype(int)
    steps["median_step"] = steps.groupby(["model", "session"])["best_step"].transform("median")
    return steps.sort_values(["model", "session", "seed"]).reset_index(drop=True)


def _draw(
    ax: Axes,
    steps: pd.DataFrame,
    sessions: list,
    look: plotting.Look,
    late_fraction: float,
) -> None:
    places = {session: place for place, session in enumerate(sessions)}
    for session, rows in steps.groupby("session"):
        x = places[session] + plotting.jitter(len(rows), 0.4)
        ax.scatter(x, rows["best_step"], s=11, color=look.colour, alpha=0.75, linewidth=0)
        for height, half, colour, line in (
            (rows["median_step"].iloc[0], 0.3, "black", "-"),
            (rows["max_steps"].max(), 0.45, plotting.GREY, ":"),
        ):
            place = places[session]
            ax.hlines(height, place - half, place + half, colour, linestyle=line)
    ax.set_xticks(range(len(sessions)), sessions)
    ax.set(xlabel="session", ylabel="selected step", xlim=(-0.6, len(sessions) - 0.4))
    ax.set_ylim(0, steps["max_steps"].max() * 1.05)
    seeds = steps.groupby("session").size()
    splits = f"{seeds.min()}–{seeds.max()}" if seeds.min() != seeds.max() else f"{seeds.min()}"
    ax.set_title(
        f"{look.label}: {splits} splits per session\n{steps['late'].sum()} of {len(steps)} "
        f"selected beyond {100 * late_fraction:g} % of the training"
    )
