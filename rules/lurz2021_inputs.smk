# What the rules of Lurz et al. 2021 share: names, files of models, what is left out; no rules here.
lurz = config["papers"]["lurz2021"]
lurz_judged = lurz["judged"]
lurz_report = partial(paper_report, "lurz2021")

# What the target lurz2021 asks for; every file of rules adds its results.
lurz_results = []

LURZ_PROXY = "one scan in the place of four matched ones"
LURZ_PLACES = {"fig5": "scan"}  # of a section of the paper; the others are on matched neurons


def lurz_files(dataset, models, name="population_scores.csv"):
    return evaluations(dataset, models, name)


# ---- variants of the figures ------------------------------------------------------------------

# Simulated animals, or the public scan; those whose recordings may be used.
lurz_variants = [
    name
    for name, place in lurz["variants"].items()
    if not any(reason_to_leave_out(source_of(place[key])) for key in ("scan", "matched"))
]
lurz_first = next(iter(lurz["variants"]))  # the one that has everything


def lurz_dataset(section, variant):
    return lurz["variants"][variant][LURZ_PLACES.get(section, "matched")]


# The variant that is set beside the published values: real data, where there are some.
lurz_compared = next(
    (name for name in lurz_variants if kind_of_dataset(lurz["variants"][name]["scan"]) == "real"),
    lurz_first,
)


def lurz_proxy(variant):
    """What Figs 3 and 4 of a variant stand in the place of, if anything."""
    return [LURZ_PROXY] if lurz["variants"][variant]["proxy"] else []


def lurz_why_not(dataset, model):
    """Why a model is not trained on a data set, or None."""
    for source in [source_of(dataset), *sources_of_model(model)]:
        if reason := reason_to_leave_out(source):
            return reason
    if model not in models_of_paper("lurz2021", dataset):
        return f"no run of papers.lurz2021.runs trains {model} on {dataset}"
    return None


def lurz_drawn(section, variant):
    """Models of a section by label, those that can be trained."""
    dataset = lurz_dataset(section, variant)
    return {
        label: model
        for label, model in lurz_entries(section, variant).items()
        if not lurz_why_not(dataset, model)
    }


def lurz_missing(section, variant):
    """Reasons by label for the curves that the paper has and this variant has not."""
    dataset, entries = lurz_dataset(section, variant), lurz_entries(section, variant)
    missing = {label: lurz_why_not(dataset, model) for label, model in entries.items()}
    unnamed = f"papers.lurz2021.{section}.{variant} has no such curve"
    missing |= {
        label: unnamed for label in lurz_entries(section, lurz_first) if label not in entries
    }
    return {label: reason for label, reason in missing.items() if reason}


def lurz_entries(section, variant):
    """Models of a section by label; those of Fig 4 have their readout in the label."""
    entries = lurz[section] if section == "ablation" else lurz[section].get(variant, {})
    if section != "fig4":
        return entries
    return {
        f"{readout}, {condition}": model
        for readout, conditions in entries.items()
        for condition, model in conditions.items()
    }


def lurz_transfer(variant):
    """Models of Fig 4 by readout and condition."""
    drawn = lurz_drawn("fig4", variant).values()
    return {
        readout: {name: model for name, model in conditions.items() if model in drawn}
        for readout, conditions in lurz["fig4"].get(variant, {}).items()
    }


def lurz_curves(section):
    """Input function: scores of all models that a section draws for a variant."""

    def files(wildcards):
        variant = getattr(wildcards, "variant", lurz_first)
        dataset = lurz_dataset(section, variant)
        refuse_if_left_out(source_of(dataset))
        return lurz_files(dataset, lurz_drawn(section, variant).values())

    return files


def lurz_cores(variant):
    """Run records of the diff_core models of a variant."""
    dataset = lurz_dataset("fig4", variant)
    models = [conditions.get("diff_core") for conditions in lurz_transfer(variant).values()]
    return [
        file for model in filter(None, models) for file in block_files(dataset, model, "run.json")
    ]


def in_order(entries):
    """A mapping as pairs, because as_json sorts names."""
    return [[name, value] for name, value in entries.items()]


def lurz_legend(section):
    """Parameter function: labels and models in the order of the legend."""
    return lambda wildcards: as_json(in_order(lurz_drawn(section, wildcards.variant)))


def lurz_reasons(section):
    """Parameter function: reasons by label of the curves that are missing."""
    return lambda wildcards: as_json(lurz_missing(section, wildcards.variant))


def lurz_name(variant):
    """What a variant adds to the names of claims; nothing for the first."""
    return "" if variant == lurz_first else variant


# ---- tables -----------------------------------------------------------------------------------


def lurz_judged_files():
    """Scores of all models that claims speak of, each once."""
    files = [
        file
        for variant in lurz_variants
        for section in ("fig3", "fig4", "fig5", "ablation")
        if section != "ablation" or variant == lurz_first
        for file in lurz_files(
            lurz_dataset(section, variant), lurz_drawn(section, variant).values()
        )
    ]
    return list(dict.fromkeys(files))


def lurz_judged_cores():
    return [file for variant in lurz_variants for file in lurz_cores(variant)]


def lurz_altered(variant):
    """Curves of Fig 5 whose cores have another width than those of the paper."""
    models = lurz_drawn("fig5", variant)
    return [
        label
        for label, filters in lurz_judged["published_filters"].items()
        if label in models
        and config["models"][models[label]]["params"]["core"]["filters"] != filters
    ]


def lurz_evaluation(variant):
    """What the claims about Fig 5 need to know."""
    dataset = lurz_dataset("fig5", variant)
    return {
        "name": lurz_name(variant),
        "dataset": dataset,
        "source_kind": kind_of_dataset(dataset),
        "models": lurz_drawn("fig5", variant),
        "missing": lurz_missing("fig5", variant),
        "unreduced": lurz_judged["unreduced"],
        "altered": lurz_altered(variant),
    }


def lurz_collection(variant):
    """What the claims about Figs 3 and 4 need to know."""
    dataset = lurz_dataset("fig3", variant)
    return {
        "name": lurz_name(variant),
        "dataset": dataset,
        "source_kind": kind_of_dataset(dataset),
        "models": lurz_drawn("fig3", variant),
        "transfer": lurz_transfer(variant),
        "ablation": lurz_drawn("ablation", variant) if variant == lurz_first else {},
        "missing": lurz_missing("fig3", variant) | lurz_missing("fig4", variant),
        "proxy": lurz_proxy(variant),
    }


# ---- scans ------------------------------------------------------------------------------------


def lurz_scans(dataset):
    """Names of the scans of a simulated data set as its source has them, animal-session-scan."""
    scans = config["datasets"][dataset]["settings"]["scans"]
    return ["-".join(scan.split("-")[:3]) for scan in scans]


def lurz_size_px(dataset):
    """Height and width of the stimuli of a data set, as models see them."""
    size = config["datasets"][dataset]["settings"]["size_px"]
    return [side // lurz_downsampling(dataset) for side in size]


def lurz_downsampling(dataset):
    return config["datasets"][dataset]["settings"]["downsampling"]


lurz_simulated = config["sources"][source_of(lurz["recovery_dataset"])]["settings"]


def lurz_positions(variant):
    """Models whose readout positions are drawn, by role."""
    dataset = lurz_dataset("readout_positions", variant)
    return {
        role: model
        for role, model in lurz["readout_positions"].get(variant, {}).items()
        if not lurz_why_not(dataset, model)
    }
