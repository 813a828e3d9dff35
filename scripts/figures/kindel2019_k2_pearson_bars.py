"""K2: correlation of every cell of a session (runnet.py, plotandsaver)."""

import pandas as pd
from matplotlib.axes import Axes

from v1lib import plotting
from v1lib.files import write_csv
from v1lib.score_files import read_scores, source_kind_of
from v1lib.score_tables import by_run_and_neuron
from v1lib.steps import Input, Outputs


def main(
    *,
    scores: Input,
    figures: Outputs,
    pdfs: Outputs,
    tables: Outputs,
    session: str,
    seeds: list,
) -> None:
    """One bar plot per seed of a session, with the bars as a table; figure i is of ``seeds[i]``.

    Cells are numbered from 1 within the session. An undefined correlation (constant prediction or
    response) counts 0, as in the published code, and is marked. A run that failed has no scores:
    its figure says so.
    """
    runs = by_run_and_neuron(read_scores([scores]))
    for seed, png, pdf, table in zip(seeds, figures, pdfs, tables, strict=True):
        bars = bars_of(runs[(runs["session"] == session) & (runs["seed"] == seed)])
        with plotting.style():
            figure = plotting.new_figure(max(plotting.COLUMN_CM, 2.4 + 0.22 * len(bars)), 5.5)
            ax = plotting.panels(figure, 1, 1)[0]
            ax.set_title(f"session {session}, seed {seed}: no scores, the run failed")
            if len(bars):
                _draw(ax, bars)
        plotting.save_figure(figure, png, pdf, source_kind_of(runs))
        write_csv(bars, table)


def bars_of(cells: pd.DataFrame) -> pd.DataFrame:
    """The bars of one run: cell number from 1, r with 0 where undefined, and what was undefined."""
    bars = cells.sort_values("neuron").reset_index(drop=True)
    bars["cell"] = bars.index + 1
    bars["undefined"] = bars["correlation"].isna().astype(int)
    bars["r"] = bars["correlation"].fillna(0.0)
    columns = ["dataset", "model", "session", "seed", "neuron", "cell", "r", "undefined", "dead"]
    return bars[[*columns, "source_kind"]]


def _draw(ax: Axes, bars: pd.DataFrame) -> None:
    model, session, seed = bars[["model", "session", "seed"]].iloc[0]
    look = plotting.looks([model])[model]
    ax.bar(bars["cell"], bars["r"], width=0.8, color=look.colour)
    undefined = bars[bars["undefined"] == 1]
    ax.plot(undefined["cell"], undefined["r"], "x", color="black", markersize=3, clip_on=False)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(xlabel="cell", ylabel="r", xlim=(0.2, len(bars) + 0.8))
    ax.set_ylim(min(-0.1, bars["r"].min() - 0.05), 1.0)
    undefined_text = f", {len(undefined)} undefined (×)" if len(undefined) else ""
    mean = f"mean r = {bars['r'].mean():.3f}"
    ax.set_title(f"{look.label}, session {session}, seed {seed}: {mean}{undefined_text}")
