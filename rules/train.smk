# Training: one job per block of seeds, all sessions of the recording in it. Weights that others
# published take the place of training.


rule train_responses:
    input:
        recording=recording_of,
        weights=weights_of_model,
        cores=cores_of_model,
        tuned=penalties_of_model,
        code=model_code("train_responses"),
    output:
        checkpoint="results/{dataset}/{model}/{block}/checkpoint.pt",
        history="results/{dataset}/{model}/{block}/history.csv",
        record="results/{dataset}/{model}/{block}/run.json",
    log:
        "logs/train_responses/{dataset}/{model}/{block}.log",
    benchmark:
        "logs/benchmarks/train_responses/{dataset}/{model}/{block}.tsv"
    wildcard_constraints:
        model=names_of("models", method="gradient"),
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=training_resource("mem_mb", 4000),
        runtime=training_resource("runtime", 720),
    params:
        name=lambda wildcards: wildcards.model,
        model=model_entry,
        seeds=lambda wildcards: as_json(seeds_in(wildcards.block)),
        compute=as_json(
            fields_of(
                config["compute"], "device", "stacked", "seconds_between_saves", "resident_gb"
            )
        ),
    shell:
        command("train_responses")


rule fit_regression:
    input:
        recording=recording_of,
        weights=weights_of_model,
        code=model_code("fit_regression"),
    output:
        checkpoint="results/{dataset}/{model}/{block}/checkpoint.pt",
        history="results/{dataset}/{model}/{block}/history.csv",
        record="results/{dataset}/{model}/{block}/run.json",
    log:
        "logs/fit_regression/{dataset}/{model}/{block}.log",
    benchmark:
        "logs/benchmarks/fit_regression/{dataset}/{model}/{block}.tsv"
    wildcard_constraints:
        model=names_of("models", method="regression"),
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        model=model_entry,
        seeds=lambda wildcards: as_json(seeds_in(wildcards.block)),
    shell:
        command("fit_regression")


rule convert_burg2021_weights:
    input:
        recording=recording_of,
        archive=published_archive,
        code=model_code("convert_burg2021_weights"),
    output:
        checkpoint="results/{dataset}/{model}/{block}/checkpoint.pt",
        history="results/{dataset}/{model}/{block}/history.csv",
        record="results/{dataset}/{model}/{block}/run.json",
    log:
        "logs/convert_burg2021_weights/{dataset}/{model}/{block}.log",
    benchmark:
        "logs/benchmarks/convert_burg2021_weights/{dataset}/{model}/{block}.tsv"
    wildcard_constraints:
        model=names_of("models", method="published"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        model=published_entry,
        seeds=lambda wildcards: as_json(seeds_in(wildcards.block)),
    shell:
        command("convert_burg2021_weights")
