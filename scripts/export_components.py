"""Export what the components of early vision in the networks of a model have learned."""

import logging

import pandas as pd

from v1lib.component_tables import COMPONENT_COLUMNS
from v1lib.data_sets import open_data_set
from v1lib.files import write_csv
from v1lib.learned_components import before_and_after
from v1lib.models import TrainedModel, load_blocks
from v1lib.runs import initial_model, plan_runs
from v1lib.steps import Input, Inputs, Output

log = logging.getLogger(__name__)


def main(*, images: Input, checkpoints: Inputs, components: Output, models: dict) -> None:
    """From the networks of models to the parameters of their components before and after training.

    One row per model, seed, block of the first stage (from 0), parameter and unit; what they are,
    and their units of measure, is in ``v1lib.learned_components``. Values before training are those
    of the network that the run began with, built again from its seed.

    Args:
        images: the data set that the networks were trained on.
        checkpoints: of all blocks of seeds of the models.
        components: table to write.
        models: their entries, by name.

    Raises:
        ValueError: a model starts from the weights of another, or all its runs failed, or none of
            the models has a component.
    """
    for name, model in models.items():
        if model.get("core"):
            raise ValueError(
                f"model {name} starts from the trained weights of {model['core']}; what its "
                "components have learned is asked of that model"
            )
    data = open_data_set(images)
    tables = []
    for trained in load_blocks(checkpoints):
        (plan,) = plan_runs(data, models[trained.model], [trained.seed])
        table = before_and_after(initial_model(data, plan), trained.module)
        if table.empty:
            log.info("%s has no component whose parameters could be compared", trained.model)
            continue
        _report(table, trained)
        tables.append(table.assign(model=trained.model, seed=trained.seed))
    if not tables:
        raise ValueError(
            f"models {sorted(models)} have no component whose parameters could be compared"
        )
    table = pd.concat(tables, ignore_index=True).assign(
        dataset=data.name, source_kind=data.source_kind
    )
    write_csv(table[list(COMPONENT_COLUMNS)], components)


def _report(table: pd.DataFrame, trained: TrainedModel) -> None:
    groups = table.groupby(["component", "block", "parameter"], sort=False)
    for (component, block, parameter), rows in groups:
        log.info(
            "%s, seed %d, %s in block %d, %s: median %.4g before, %.4g after, mean change %.3g",
            *(trained.model, trained.seed, component, block, parameter),
            *(rows["before"].median(), rows["after"].median()),
            (rows["after"] - rows["before"]).abs().mean(),
        )
