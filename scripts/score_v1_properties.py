"""Score the V1 properties of models against those of recorded neurons."""

import logging

import pandas as pd

from v1lib.files import read_csv, write_csv
from v1lib.steps import Input, Inputs, Output
from v1lib.v1_scores import SCORE_COLUMNS, read_references, score_table, without_textures
from v1lib.v1_tables import POPULATION_COLUMNS, PROPERTY_COLUMNS, RUN

log = logging.getLogger(__name__)


def main(
    *,
    properties: Inputs,
    populations: Inputs,
    distributions: Input,
    measured: Inputs,
    scores: Output,
    n_draws: int,
    seed: int,
) -> None:
    """From properties of units and distributions of neurons to scores by property, group, and all.

    ``properties`` and ``populations`` are those of the step that measures them, of one or several
    models. ``distributions`` is ``report/v1_property_distributions.csv``; ``measured`` is none, or
    one table of one's own (``v1lib.v1_scores.read_references``), with which the texture properties
    can be scored where they were measured. ``n_draws``, ``seed``: of the bootstrap. A run without
    units has rows without a score: nothing was measured.
    """
    references = read_references(distributions, *measured[:1])
    table = pd.concat([read_csv(path, required=PROPERTY_COLUMNS) for path in properties])
    runs = pd.concat([read_csv(path, required=POPULATION_COLUMNS) for path in populations])
    tables = []
    for _, run in runs.iterrows():
        own = table[(table[list(RUN)] == run[list(RUN)]).all(axis=1)]
        wanted = references if run["n_textures"] else without_textures(references)
        found = score_table(own, wanted, seed=seed, n_draws=n_draws)
        labels = {name: run[name] for name in (*RUN, "source_kind")}
        tables.append(found.assign(**labels)[list(SCORE_COLUMNS)])
        last = found.iloc[-1]
        log.info("%s, seed %s: %s %.4f", run["model"], run["seed"], last["property"], last["score"])
        if not run["n_near"]:
            log.warning("%s, seed %s: no unit at the stimuli, no score", run["model"], run["seed"])
    write_csv(pd.concat(tables, ignore_index=True), scores)
