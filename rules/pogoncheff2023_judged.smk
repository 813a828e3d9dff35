# Claims of Pogoncheff et al. 2023, its published values beside ours, and parameters of its networks.


rule count_network_parameters:
    input:
        code=code("count_network_parameters", "models/pogoncheff2023"),
    output:
        counts="results/pogoncheff2023/network_counts.csv",
    log:
        "logs/count_network_parameters.log",
    benchmark:
        "logs/benchmarks/count_network_parameters.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        models=as_json(pogoncheff_counted),
        size=as_json(pogoncheff_size),
        n_classes=pogoncheff["published_size"]["n_classes"],
        stimulus_shape=as_json(pogoncheff["published_size"]["stimulus_shape"]),
    shell:
        command("count_network_parameters")


rule pogoncheff2023_parameters:
    input:
        counts="results/pogoncheff2023/network_counts.csv",
        published=beside("report/published_values.csv"),
        code=code("tables.pogoncheff2023_parameters"),
    output:
        table=pogoncheff_report("parameters", "parameters.csv", table="parameters"),
        markdown="results/pogoncheff2023/parameters.md",
    log:
        "logs/pogoncheff2023_parameters.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_parameters.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(pogoncheff_built),
    shell:
        command("tables.pogoncheff2023_parameters")


rule pogoncheff2023_claims:
    input:
        scores=pogoncheff_evaluations(pogoncheff_all, "v1_scores.csv"),
        predictivities=pogoncheff_predictivities(pogoncheff_all),
        accuracies=pogoncheff_accuracies(pogoncheff_evaluated),
        published=beside("report/published_values.csv"),
        code=code("tables.pogoncheff2023_claims"),
    output:
        claims=pogoncheff_report("claims", "claims.csv", table="claims and verdicts"),
    log:
        "logs/pogoncheff2023_claims.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_claims.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(pogoncheff_all),
        networks=as_json(pogoncheff_settings),
        adversarially_trained=as_json(
            {label: f"{label}, adversarial" for label in pogoncheff_twins}
        ),
        evaluated=as_json(pogoncheff_evaluated),
        profile=as_json(pogoncheff_profile),
        least_units=V1["least_units"],
    shell:
        command("tables.pogoncheff2023_claims")


rule pogoncheff2023_measured:
    input:
        scores=pogoncheff_evaluations(pogoncheff_all, "v1_scores.csv"),
        predictivities=pogoncheff_predictivities(pogoncheff_all),
        alexnet=pogoncheff_alexnet(),
        counts="results/pogoncheff2023/network_counts.csv",
        distributions=beside("report/v1_property_distributions.csv"),
        published=beside("report/published_values.csv"),
        code=code("tables.pogoncheff2023_measured"),
    output:
        measured="results/pogoncheff2023/measured.csv",
    log:
        "logs/pogoncheff2023_measured.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_measured.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=as_json(pogoncheff_configured),
        profile=as_json(pogoncheff_profile),
    shell:
        command("tables.pogoncheff2023_measured")


rule pogoncheff2023_published:
    input:
        published=beside("report/published_values.csv"),
        measured="results/pogoncheff2023/measured.csv",
        code=code("tables.published_of_paper"),
    output:
        table=pogoncheff_report("published", "published.csv", table="published beside ours"),
        markdown="results/pogoncheff2023/published.md",
    log:
        "logs/pogoncheff2023_published.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_published.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        paper="pogoncheff2023",
    shell:
        command("tables.published_of_paper")


pogoncheff_results += [rules.pogoncheff2023_parameters.output]
if pogoncheff_single:
    pogoncheff_results += [
        rules.pogoncheff2023_claims.output,
        rules.pogoncheff2023_measured.output,
        rules.pogoncheff2023_published.output,
    ]
