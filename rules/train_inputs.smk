# What the rules of training share: options of the step, and groups that a job trains; no rules here.
from types import SimpleNamespace

TRAINING_INPUTS = {
    "recording": recording_of,
    "weights": weights_of_model,
    "cores": cores_of_model,
    "tuned": penalties_of_model,
}
TRAINING_OUTPUTS = {
    name: f"results/{{dataset}}/{{model}}/{{block}}/{file}"
    for name, file in (
        ("checkpoint", "checkpoint.pt"),
        ("history", "history.csv"),
        ("record", "run.json"),
    )
}
TRAINING_PARAMS = {
    "name": lambda wildcards: wildcards.model,
    "model": model_entry,
    "seeds": lambda wildcards: as_json(seeds_in(wildcards.block)),
    "compute": as_json(
        fields_of(config["compute"], "device", "stacked", "seconds_between_saves", "resident_gb")
    ),
}


def trained_together():
    """Data set, model and block of all that a job of a group trains, by data set and group."""
    return {
        (dataset, group): [
            SimpleNamespace(dataset=dataset, model=model, block=block)
            for model in models
            for block in blocks_of(model, n_seeds(dataset, model))
        ]
        for dataset in config["datasets"]
        for group, models in groups_on(dataset).items()
        if all(config["models"][model]["method"] == "gradient" for model in models)
    }


TRAINED_TOGETHER = trained_together()


def not_in_a_group():
    """Pattern of data sets that keeps `train_responses` from what is trained with others."""
    places = {
        f"{re.escape(block.dataset)}/{re.escape(block.model)}/{re.escape(block.block)}/"
        for blocks in TRAINED_TOGETHER.values()
        for block in blocks
    }
    others = f"(?!{'|'.join(sorted(places))})" if places else ""
    return others + f"(?:{'|'.join(config['datasets'])})"


def files_of_training(blocks):
    """Input function: what the training of some blocks reads, with the code."""

    def files(wildcards):
        found = [files(block) for block in blocks for files in TRAINING_INPUTS.values()]
        found += [model_code("train_responses")(block) for block in blocks]
        paths = [path for one in found for path in ([one] if isinstance(one, str) else one)]
        return list(dict.fromkeys(paths))

    return files


def calls_of_training(blocks):
    """Parameter function: the calls of the step that train some blocks."""

    def calls(wildcards):
        found = []
        for block in blocks:
            values = {name: files(block) for name, files in TRAINING_INPUTS.items()}
            values |= {name: path.format(**vars(block)) for name, path in TRAINING_OUTPUTS.items()}
            values |= {
                name: value(block) if callable(value) else value
                for name, value in TRAINING_PARAMS.items()
            }
            found.append(values)
        return as_calls("train_responses", found)

    return calls


def group_resource(blocks, name, usual):
    """What the training of some blocks asks for in each attempt: as much as one of them; they are
    small, and trained one after the other."""
    asked = max(resource_of(block.model, name, usual) for block in blocks)
    return lambda wildcards, attempt: asked * attempt
