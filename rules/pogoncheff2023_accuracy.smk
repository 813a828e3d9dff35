# Accuracy of the networks of Pogoncheff et al. 2023: on corrupted images (P4), and in training (P7).


rule pogoncheff2023_p4_robustness:
    input:
        accuracies=pogoncheff_accuracies(pogoncheff_evaluated),
        code=code("tables.pogoncheff2023_p4_robustness"),
    output:
        table=pogoncheff_report("p4_robustness", "p4_robustness.csv", table="P4 robustness"),
        markdown="results/pogoncheff2023/p4_robustness.md",
    log:
        "logs/pogoncheff2023_p4_robustness.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p4_robustness.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(pogoncheff_evaluated),
        how=POGONCHEFF_HOW,
        n_classes=pogoncheff_classes(),
        profile=pogoncheff["profile"],
    shell:
        command("tables.pogoncheff2023_p4_robustness")


rule pogoncheff2023_p4_severities:
    input:
        accuracies=pogoncheff_accuracies(pogoncheff_evaluated),
        code=code("figures.pogoncheff2023_p4_severities"),
    output:
        figure=pogoncheff_report(
            "p4_severities", "p4_severities.png", figure="P4 accuracy by severity"
        ),
        pdf="results/pogoncheff2023/p4_severities.pdf",
        table="results/pogoncheff2023/p4_severities.csv",
    log:
        "logs/pogoncheff2023_p4_severities.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p4_severities.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        groups=pogoncheff_pairs_by(pogoncheff_panels()),
        n_classes=pogoncheff_classes(),
        profile=pogoncheff["profile"],
    shell:
        command("figures.pogoncheff2023_p4_severities")


rule pogoncheff2023_p4_alignment:
    input:
        scores=pogoncheff_evaluations(pogoncheff_all, "v1_scores.csv"),
        predictivities=pogoncheff_predictivities(pogoncheff_all),
        accuracies=pogoncheff_accuracies(pogoncheff_evaluated),
        code=code("figures.pogoncheff2023_p4_alignment"),
    output:
        figure=pogoncheff_report(
            "p4_alignment", "p4_alignment.png", figure="P4 robustness and V1 alignment"
        ),
        pdf="results/pogoncheff2023/p4_alignment.pdf",
        table="results/pogoncheff2023/p4_alignment.csv",
    log:
        "logs/pogoncheff2023_p4_alignment.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p4_alignment.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(pogoncheff_all),
        evaluated=as_json(pogoncheff_evaluated),
        least_units=V1["least_units"],
        n_classes=pogoncheff_classes(),
        profile=pogoncheff["profile"],
    shell:
        command("figures.pogoncheff2023_p4_alignment")


rule pogoncheff2023_p7_accuracy:
    input:
        histories=pogoncheff_all_histories,
        code=code("tables.pogoncheff2023_p7_accuracy"),
    output:
        table=pogoncheff_report("p7_accuracy", "p7_accuracy.csv", table="P7 accuracy"),
        markdown="results/pogoncheff2023/p7_accuracy.md",
    log:
        "logs/pogoncheff2023_p7_accuracy.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p7_accuracy.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=pogoncheff_pairs(
            pogoncheff_all
            | {f"{label}, fine-tuned": model for label, model in pogoncheff_finetuned.items()}
        ),
        n_classes=pogoncheff_classes(),
        profile=pogoncheff["profile"],
    shell:
        command("tables.pogoncheff2023_p7_accuracy")


rule pogoncheff2023_p7_training:
    input:
        histories=pogoncheff_all_histories,
        code=code("figures.pogoncheff2023_p7_training"),
    output:
        figure=pogoncheff_report("p7_training", "p7_training.png", figure="P7 training"),
        pdf="results/pogoncheff2023/p7_training.pdf",
        table="results/pogoncheff2023/p7_training.csv",
    log:
        "logs/pogoncheff2023_p7_training.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p7_training.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        groups=pogoncheff_pairs_by(
            pogoncheff_groups()
            | ({"fine-tuned": pogoncheff_finetuned} if pogoncheff_finetuned else {})
        ),
        n_classes=pogoncheff_classes(),
        profile=pogoncheff["profile"],
    shell:
        command("figures.pogoncheff2023_p7_training")


if pogoncheff_single:
    pogoncheff_results += [
        rules.pogoncheff2023_p4_robustness.output,
        rules.pogoncheff2023_p4_severities.output,
        rules.pogoncheff2023_p4_alignment.output,
        rules.pogoncheff2023_p7_accuracy.output,
        rules.pogoncheff2023_p7_training.output,
    ]
