"""K1: how a network trains, drawn as the published code draws it (runnet.py, mansavefig)."""

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from v1lib import plotting
from v1lib.files import read_csv, write_csv
from v1lib.score_files import read_records, read_scores
from v1lib.score_tables import by_run_and_neuron
from v1lib.steps import Input, Inputs, Outputs

_HISTORY = (
    *("dataset", "model", "seed", "session", "step", "train_loss", "validation_loss"),
    *("test_loss", "test_correlation", "source_kind"),
)
_LOSSES = {"train_loss": "training", "validation_loss": "early stop", "test_loss": "evaluation"}
_LINES = {"train_loss": "-", "validation_loss": "--", "test_loss": ":"}
_MARGIN = 0.02  # of the steps, so that the line of the first or the last one covers no axis


def main(
    *,
    histories: Inputs,
    runs: Inputs,
    scores: Input,
    figures: Outputs,
    pdfs: Outputs,
    tables: Outputs,
    session: str,
    seeds: list,
) -> None:
    """One training plot per seed of a session, with the curves drawn in it as a table.

    ``histories`` and ``runs`` are the blocks of one model; figure i is of ``seeds[i]``. A run that
    failed is drawn as far as it came, and says so.
    """
    history = pd.concat([read_csv(path, required=_HISTORY) for path in histories])
    cells = by_run_and_neuron(read_scores([scores]))
    records = read_records(runs)
    for seed, png, pdf, table in zip(seeds, figures, pdfs, tables, strict=True):
        curves, run_cells, record = (
            rows[(rows["session"] == session) & (rows["seed"] == seed)]
            for rows in (history, cells, records)
        )
        if len(record) != 1:
            raise ValueError(f"{len(record)} records of session {session}, seed {seed} in {runs}")
        record = record.iloc[0]
        with plotting.style():
            page = plotting.new_figure(13.5, 9.2)
            axes = plotting.panels(page, 1, 2, letters=False, widths=[3.4, 1])
            lines = _draw_curves(axes[0], curves, record, run_cells["baseline_loss"].mean())
            _write_settings(axes[1], facts(curves, record, run_cells), lines)
        plotting.save_figure(page, png, pdf, record["source_kind"])
        write_csv(curves.assign(selected=curves["step"] == record.get("best_step")), table)


def _draw_curves(
    ax: Axes, curves: pd.DataFrame, record: pd.Series, baseline: float
) -> list[Line2D]:
    for column, line in _LINES.items():
        ax.plot(curves["step"], curves[column], line, color="red", label=_LOSSES[column])
    last = record["training"]["max_steps"]
    ax.set(xlabel="step", ylabel="least squared loss")
    ax.set_xlim(-_MARGIN * last, (1 + _MARGIN) * last)
    if record["status"] == "ok":
        ax.axvline(record["best_step"], color="black", linewidth=2)
        # the limits of the original: -0.1 and 2 times the baseline loss, -0.1 and 1 for r
        ax.set_ylim(-0.1 * baseline, 2.0 * baseline)
    label = plotting.looks([record["model"]])[record["model"]].label
    ax.set_title(f"{label}, session {record['session']}, seed {record['seed']}")
    right = ax.twinx()
    right.spines["right"].set_visible(True)
    right.plot(curves["step"], curves["test_correlation"], color="black", label="r (evaluation)")
    right.set(ylabel="r", ylim=(-0.1, 1.0))
    return [*ax.lines[: len(_LINES)], *right.lines]


def facts(curves: pd.DataFrame, record: pd.Series, cells: pd.DataFrame) -> list[str]:
    """The text block of the original, line by line, as far as the model has these settings.

    Raises:
        ValueError: the history does not hold the selected step once.
    """
    params = record["params"]
    settings = params | record["training"]
    lines = [f"Run failed: {record['reason']}"]
    if record["status"] == "ok":
        selected = curves[curves["step"] == record["best_step"]]
        if len(selected) != 1:
            step = record["best_step"]
            raise ValueError(f"step {step:.0f} occurs {len(selected)} times in the history")
        selected = selected.iloc[0]
        lines = [
            f"Step: {record['best_step']:.0f}",
            f"Average r: {selected['test_correlation']:.3f}",
            f"Evaluation loss: {selected['test_loss']:.4f}",
            f"Evaluation variance: {cells['response_variance'].mean():.4f}",
        ]
    for number in (1, 2):
        if layer := params.get(f"conv{number}"):
            lines += [
                f"Max pool {number} stride: {layer['pool_stride']}",
                f"Max pool {number} kernel size: {layer['pool_kernel']}",
                f"Conv {number} size: {layer['kernel']} × {layer['kernel']}",
                f"Layer {number} filters: {layer['filters']}",
            ]
    formats = {
        "dropout_keep": "Dropout keep rate: {:.3f}",
        "hidden_units": "Hidden units: {}",
        "learning_rate": "Learning rate: {:.1e}",
        "num_conv_layers": "Convolution layers: {}",
    }
    return lines + [text.format(settings[key]) for key, text in formats.items() if key in settings]


def _write_settings(ax: Axes, facts: list[str], lines: list[Line2D]) -> None:
    """Text block and legend (lower right, as in the original) beside the curves, not over them."""
    ax.set_axis_off()
    words = "\n".join(textwrap.fill(line, 28) for line in facts)
    ax.text(0, 1, words, transform=ax.transAxes, va="top", linespacing=1.5)
    names = [line.get_label() for line in lines]
    ax.legend(lines, names, loc="lower left", borderaxespad=0, borderpad=0)
