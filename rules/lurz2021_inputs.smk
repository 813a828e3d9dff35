# What the rules of Lurz et al. 2021 share; no rules here.
lurz = config["papers"]["lurz2021"]
lurz_report = partial(paper_report, "lurz2021")

# What the target lurz2021 asks for; every file of rules adds its results.
lurz_results = []


def lurz_populations(*runs):
    """Scores of the population, of every model in some of the runs that can be trained."""
    return [
        f"results/{lurz['runs'][run]['dataset']}/{model}/population_scores.csv"
        for run in runs
        if run_is_available(lurz["runs"][run])
        for model in lurz["runs"][run]["models"]
        if model_is_available(model)
    ]
