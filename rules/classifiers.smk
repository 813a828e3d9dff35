# Classifiers: how often they are right, and what the components in their first stage have learned.


rule score_classifier:
    input:
        images=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        corrupted=corrupted_of,
        code=model_code("score_classifier"),
    output:
        accuracies="results/{dataset}/{networks}/accuracies.csv",
    log:
        "logs/score_classifier/{dataset}/{networks}.log",
    benchmark:
        "logs/benchmarks/score_classifier/{dataset}/{networks}.tsv"
    wildcard_constraints:
        dataset=datasets_where(is_of_images),
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        device=config["compute"]["device"],
    shell:
        command("score_classifier")


rule export_components:
    input:
        images=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        code=model_code("export_components"),
    output:
        components="results/{dataset}/{networks}/components.csv",
    log:
        "logs/export_components/{dataset}/{networks}.log",
    benchmark:
        "logs/benchmarks/export_components/{dataset}/{networks}.tsv"
    wildcard_constraints:
        dataset=datasets_where(is_of_images),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        models=model_entries,
    shell:
        command("export_components")


rule activating_images:
    input:
        images=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        code=model_code("activating_images"),
    output:
        activating="results/{dataset}/{model}/activating_images.npz",
    log:
        "logs/activating_images/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/activating_images/{dataset}/{model}.tsv"
    wildcard_constraints:
        dataset=datasets_where(is_of_images),
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        settings=experiment("activating_images"),
        device=config["compute"]["device"],
    shell:
        command("activating_images")
