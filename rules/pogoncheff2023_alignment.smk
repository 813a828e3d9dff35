# V1 alignment of the networks of Pogoncheff et al. 2023: tables P1 to P3, and a figure of all scores.


rule pogoncheff2023_p1_single:
    input:
        scores=pogoncheff_evaluations(pogoncheff_single, "v1_scores.csv"),
        predictivities=pogoncheff_predictivities(pogoncheff_single),
        code=code("tables.pogoncheff2023_p1_single"),
    output:
        table=pogoncheff_report("p1_single", "p1_single.csv", table="P1 single components"),
        markdown="results/pogoncheff2023/p1_single.md",
    log:
        "logs/pogoncheff2023_p1_single.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p1_single.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(pogoncheff_single),
        profile=pogoncheff["profile"],
    shell:
        command("tables.pogoncheff2023_p1_single")


rule pogoncheff2023_p1_properties:
    input:
        scores=pogoncheff_evaluations(pogoncheff_all, "v1_scores.csv"),
        predictivities=pogoncheff_predictivities(pogoncheff_all),
        code=code("figures.pogoncheff2023_p1_properties"),
    output:
        figure=pogoncheff_report(
            "p1_properties", "p1_properties.png", figure="P1 and P2 scores by group"
        ),
        pdf="results/pogoncheff2023/p1_properties.pdf",
        table="results/pogoncheff2023/p1_properties.csv",
    log:
        "logs/pogoncheff2023_p1_properties.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p1_properties.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(pogoncheff_all),
        least_units=V1["least_units"],
        profile=pogoncheff["profile"],
    shell:
        command("figures.pogoncheff2023_p1_properties")


rule pogoncheff2023_p2_composites:
    input:
        scores=pogoncheff_evaluations(pogoncheff_normal, "v1_scores.csv"),
        predictivities=pogoncheff_predictivities(pogoncheff_normal),
        code=code("tables.pogoncheff2023_p2_composites"),
    output:
        table=pogoncheff_report("p2_composites", "p2_composites.csv", table="P2 composites"),
        effects_table="results/pogoncheff2023/p2_effects.csv",
        markdown="results/pogoncheff2023/p2_composites.md",
    log:
        "logs/pogoncheff2023_p2_composites.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p2_composites.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(pogoncheff_normal),
        networks=as_json(pogoncheff_settings),
        profile=pogoncheff["profile"],
    shell:
        command("tables.pogoncheff2023_p2_composites")


rule pogoncheff2023_p3_adversarial:
    input:
        scores=pogoncheff_evaluations(pogoncheff_compared, "v1_scores.csv"),
        predictivities=pogoncheff_predictivities(pogoncheff_compared),
        histories=pogoncheff_histories(pogoncheff_compared),
        code=code("tables.pogoncheff2023_p3_adversarial"),
    output:
        table=pogoncheff_report(
            "p3_adversarial", "p3_adversarial.csv", table="P3 adversarial training"
        ),
        markdown="results/pogoncheff2023/p3_adversarial.md",
    log:
        "logs/pogoncheff2023_p3_adversarial.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p3_adversarial.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(pogoncheff_trainings),
        profile=pogoncheff["profile"],
    shell:
        command("tables.pogoncheff2023_p3_adversarial")


if pogoncheff_single:
    pogoncheff_results += [
        rules.pogoncheff2023_p1_single.output,
        rules.pogoncheff2023_p1_properties.output,
        rules.pogoncheff2023_p2_composites.output,
    ]
if pogoncheff_twins:
    pogoncheff_results += [rules.pogoncheff2023_p3_adversarial.output]
