# What the rules of Burg et al. 2021 share: names, files of models, captions; no rules here.

burg = config["papers"]["burg2021"]
burg_roles = burg["roles"]
burg_judged = burg["judged"]
burg_report = partial(paper_report, "burg2021")

# In the order in which they are drawn.
burg_classes = ["subunit", "nonspecific", "specific", "cnn"]
burg_pools = ["specific", "pool3", "pool5", "pool7"]
burg_baselines = {
    name: model for name, model in burg["baselines"].items() if model_is_available(model)
}


def burg_steps(roles):
    """Models and the most steps of their training; none where all are trained alike.

    A smaller configuration may give large pools, which are slow, fewer steps.
    """
    training = {burg_roles[role]: config["models"][burg_roles[role]]["training"] for role in roles}
    durations = ("max_steps", "batch_size", "early_stopping")
    if len({as_json(fields_of(settings, *durations)) for settings in training.values()}) == 1:
        return []
    return [[model, settings["max_steps"]] for model, settings in training.items()]


# What the target burg2021 asks for; every file of rules adds its results.
burg_results = []


def burg_dataset(model):
    """The data set on which the paper's runs train a model: its crop of the paper's recording."""
    for run in burg["runs"].values():
        if model in run["models"] and source_of(run["dataset"]) == source_of(burg["dataset"]):
            return run["dataset"]
    raise WorkflowError(
        f"no run of papers.burg2021.runs trains {model} on a data set of source "
        f"{source_of(burg['dataset'])}, which papers.burg2021.dataset comes from; add one"
    )


def burg_file(role, name):
    """A file of the model with a role, such as ranking.csv."""
    model = burg_roles[role]
    return f"results/{burg_dataset(model)}/{model}/{name}"


def burg_files(roles, name):
    return [burg_file(role, name) for role in roles]


def burg_block_files(role, name):
    """A file of every block of draws of the model with a role, such as checkpoint.pt."""
    model = burg_roles[role]
    return block_files(burg_dataset(model), model, name)


def burg_models(roles):
    """Names of models by role."""
    return {role: burg_roles[role] for role in roles}


def burg_baseline_files(name):
    return [f"results/{burg_dataset(model)}/{model}/{name}" for model in burg_baselines.values()]


def burg_planned():
    """Draws that the configuration asks for, by model."""
    models = [*burg_roles.values(), *burg_baselines.values()]
    return {model: n_seeds(burg_dataset(model), model) for model in models}


def burg_pool(role):
    """The normalization pool of the model with a role: its size in space, in places and degrees."""
    params = config["models"][burg_roles[role]]["params"]
    pool = params["pool"]
    pixels = pool["dilation"] * (pool["size"] - 1) + pool["average_size"] + params["kernel"] - 1
    return {
        "role": role,
        "model": burg_roles[role],
        "size": pool["size"],
        "extent_deg": pixels / burg["pixels_per_degree"],
    }


def burg_recording(role):
    return f"data/processed/{burg_dataset(burg_roles[role])}.npz"


def burg_smallest_searches():
    """Draws of the smallest search among the model classes, and among the spatial pools."""
    planned = burg_planned()
    groups = {"classes": burg_classes, "pools": [role for role in burg_pools if "pool" in role]}
    return {
        name: min(planned[burg_roles[role]] for role in roles) for name, roles in groups.items()
    }


# Settings that the paper states too, by the id of the published value.
burg_settings = {
    "pixels_per_degree": burg["pixels_per_degree"],
    "fig3.family_wise_alpha": burg_judged["significance"],
    "fig5.similar_orientation_limit_deg": burg["normalization"]["similar_below_deg"],
    "inhibition.inhibition_index_threshold": burg_judged["inhibited_from"],
    "fig5.orientation_bin_deg": burg["normalization"]["bin_width_deg"],
}


# ---- normalization ----------------------------------------------------------------------------

burg_normalization = burg["normalization"]

# Which features count as oriented.
burg_oriented = {
    "criterion": burg_normalization["criterion"],
    "threshold": burg_normalization["thresholds"][burg_normalization["criterion"]],
}
burg_sheets = {"f7_pool3": "pool3", "f7c_pool5": "pool5", "f7d_pool7": "pool7"}


def burg_analysed_ranks(wildcards):
    """First and last ranks of the draws of a model that are analysed; for pools only the best."""
    role = next((role for role, model in burg_roles.items() if model == wildcards.model), None)
    ranks = [[1, 1 if role in burg_sheets.values() else burg["n_top"]]]
    if role == "specific":
        ranks.append(burg["tune_ranks"])
    return as_json(ranks)


def burg_place_spacing(role):
    """Degrees between two places of a normalization pool."""
    pool = config["models"][burg_roles[role]]["params"]["pool"]
    return pool["dilation"] / burg["pixels_per_degree"]
