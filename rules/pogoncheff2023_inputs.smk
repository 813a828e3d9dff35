# What the rules of Pogoncheff et al. 2023 share: names, files of networks, profile; no rules here.
pogoncheff = config["papers"]["pogoncheff2023"]
pogoncheff_report = partial(paper_report, "pogoncheff2023")

# What the target pogoncheff2023 asks for; every file of rules adds its results.
pogoncheff_results = []


def pogoncheff_files(models, name):
    return [f"results/{pogoncheff['dataset']}/{model}/{name}" for model in models.values()]


def pogoncheff_evaluations(models, name):
    return evaluations(pogoncheff["dataset"], models.values(), name)


def pogoncheff_histories(models, dataset=lambda model: pogoncheff["dataset"]):
    return [
        file
        for model in models.values()
        for file in block_files(dataset(model), model, "history.csv")
    ]


# ---- networks by label ------------------------------------------------------------------------


def pogoncheff_label(label):
    """Composites have single letters in the configuration, as in "A" and "A, adversarial"."""
    network, _, _ = label.partition(",")
    return f"composite {label}" if network in pogoncheff["composites"] else label


def pogoncheff_trained(entries):
    """Those of some networks that are trained, by the label that figures show."""
    trained = models_of_paper("pogoncheff2023", pogoncheff["dataset"])
    return {pogoncheff_label(label): model for label, model in entries.items() if model in trained}


pogoncheff_single = pogoncheff_trained(pogoncheff["single"])
pogoncheff_composites = pogoncheff_trained(pogoncheff["composites"])
pogoncheff_normal = pogoncheff_single | pogoncheff_composites
pogoncheff_twins = {  # adversarially trained, by the label of the network that was trained normally
    label: model
    for label, model in pogoncheff_trained(pogoncheff["adversarial"]).items()
    if label in pogoncheff_normal
}
pogoncheff_all = pogoncheff_normal | {
    f"{label}, adversarial": model for label, model in pogoncheff_twins.items()
}
pogoncheff_finetuned = {  # with a new output layer, by the label of the network they started from
    pogoncheff_label(label): model for label, model in pogoncheff["finetuned"].items()
}
pogoncheff_all_histories = [
    *pogoncheff_histories(pogoncheff_all),
    *pogoncheff_histories(pogoncheff_finetuned, tuned_to),
]
pogoncheff_first = dict(list(pogoncheff_single.items())[:1])  # the network without components
pogoncheff_settings = {
    label: config["models"][model]["params"] for label, model in pogoncheff_normal.items()
}


def pogoncheff_groups():
    """Networks that share a panel, by its name; panels with nothing to compare are left out."""
    of_twins = {label: pogoncheff_normal[label] for label in pogoncheff_twins}
    groups = {
        "single components": pogoncheff_single,
        "composites": pogoncheff_first | pogoncheff_composites,
        "adversarial training": of_twins
        | {f"{label}, adversarial": model for label, model in pogoncheff_twins.items()},
    }
    return {name: models for name, models in groups.items() if len(models) > 1}


def pogoncheff_pairs(entries):
    """Networks by label as JSON that keeps their order."""
    return as_json([list(pair) for pair in entries.items()])


def pogoncheff_pairs_by(groups):
    """The same of several groups, by name."""
    pairs = {name: [list(pair) for pair in models.items()] for name, models in groups.items()}
    return as_json([list(pair) for pair in pairs.items()])


# Of table P3: [label, trained normally, trained adversarially], and all of them by label.
pogoncheff_trainings = [
    [label, pogoncheff_normal[label], model] for label, model in pogoncheff_twins.items()
]
pogoncheff_compared = {
    f"{label}, {number}": model
    for label, *models in pogoncheff_trainings
    for number, model in enumerate(models)
}


def pogoncheff_predictivities(models):
    """Files of neural predictivity; none where the recordings to predict are left out."""
    if reason_to_leave_out(source_of(V1["neurons"]["dataset"])):
        return []
    return pogoncheff_evaluations(models, "predictivity.csv")


def pogoncheff_alexnet():
    """The scores of AlexNet, where its weights may be used."""
    left_out = reason_to_leave_out(pogoncheff["alexnet"]["source"])
    return [] if left_out else ["results/pogoncheff2023/alexnet/v1_scores.csv"]


def pogoncheff_alexnet_weights(wildcards):
    """Input function: the file of AlexNet's weights."""
    source = pogoncheff["alexnet"]["source"]
    refuse_if_left_out(source)
    return [f"data/raw/{source}/{file}" for file in config["sources"][source]["files"]]


# ---- robustness -------------------------------------------------------------------------------

# Where networks are fine-tuned to the classes of the corrupted images, these alone are tested.
pogoncheff_tests_finetuned = pogoncheff["robustness_of"] == "finetuned"
pogoncheff_evaluated = pogoncheff_finetuned if pogoncheff_tests_finetuned else pogoncheff_all
POGONCHEFF_HOW = (
    "Only a new output layer learned these classes; the rest of each network is as it was."
    if pogoncheff_tests_finetuned
    else "The networks were trained on images of these classes."
)


def pogoncheff_accuracies(models):
    """Files of accuracies, each of the data set that the network was trained or fine-tuned on."""
    learned = tuned_to if pogoncheff_tests_finetuned else lambda model: pogoncheff["dataset"]
    files = [
        file
        for model in models.values()
        for file in evaluations(learned(model), [model], "accuracies.csv")
    ]
    return list(dict.fromkeys(files))


def n_classes_of(dataset):
    """How many classes a data set of images has; None where only its images say so."""
    entry = config["datasets"][dataset]
    simulated = config["sources"][entry["source"]].get("settings", {})
    return entry["settings"].get("counts", {}).get("classes", simulated.get("n_classes"))


def pogoncheff_classes():
    """Numbers of classes, by data set that networks learned, for the level of chance."""
    learned = {pogoncheff["dataset"], *map(tuned_to, pogoncheff_finetuned.values())}
    counts = {dataset: n_classes_of(dataset) for dataset in learned}
    return as_json({dataset: n for dataset, n in counts.items() if n})


def pogoncheff_panels():
    """As pogoncheff_groups, of the networks that are shown corrupted images; none twice."""
    panels = {}
    for name, models in pogoncheff_groups().items():
        shown = {
            label: pogoncheff_evaluated[label] for label in models if label in pogoncheff_evaluated
        }
        if len(shown) > 1 and shown not in panels.values():
            panels[name] = shown
    return panels or {"networks": pogoncheff_evaluated}


# ---- profile ----------------------------------------------------------------------------------

pogoncheff_base = config["models"][next(iter(pogoncheff["single"].values()))]
POGONCHEFF_TRAINING = (
    *("max_epochs", "batch_size", "learning_rate", "milestones", "milestone_factor"),
    "optimiser_settings",
)
pogoncheff_size = fields_of(pogoncheff["published_size"], "blocks", "width")

# Says whether these are the paper's networks: of its size and training, on ImageNet. Others are
# never judged by its numbers. How networks are trained adversarially was not published.
pogoncheff_profile = {
    "name": pogoncheff["profile"],
    "source": source_of(pogoncheff["dataset"]),
    "size_px": config["datasets"][pogoncheff["dataset"]]["settings"]["size_px"],
    "published_size": pogoncheff_size,
    "sizes": {
        label: fields_of(config["models"][model]["params"], *pogoncheff_size)
        for label, model in pogoncheff_all.items()
    },
    "trainings": {
        label: fields_of(config["models"][model]["training"], *POGONCHEFF_TRAINING)
        for label, model in pogoncheff_normal.items()
    },
}
pogoncheff_configured = {
    "training": fields_of(pogoncheff_base["training"], *POGONCHEFF_TRAINING),
    "n_draws": config["evaluation"]["v1"]["n_draws"],
    "size_px": config["datasets"][pogoncheff["dataset"]]["settings"]["size_px"],
}

# Networks whose parameters are counted at the published size, trained or not.
pogoncheff_built = {
    pogoncheff_label(label): model
    for label, model in (pogoncheff["single"] | pogoncheff["composites"]).items()
}
pogoncheff_counted = {
    model: fields_of(config["models"][model], "build", "params")
    for model in pogoncheff_built.values()
}
