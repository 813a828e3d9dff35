# Training: one job per block of seeds, all sessions of the recording in it; or one for the models of
# a group. Weights that others published take the place of training. It has priority, since most of
# what remains waits for it.


include: "train_inputs.smk"


rule train_responses:
    input:
        **TRAINING_INPUTS,
        code=model_code("train_responses"),
    output:
        **TRAINING_OUTPUTS,
    log:
        "logs/train_responses/{dataset}/{model}/{block}.log",
    benchmark:
        "logs/benchmarks/train_responses/{dataset}/{model}/{block}.tsv"
    wildcard_constraints:
        dataset=not_in_a_group(),
        model=names_of("models", method="gradient"),
    priority: 1
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=training_resource("mem_mb", 4000),
        runtime=training_resource("runtime", 720),
    params:
        **TRAINING_PARAMS,
    shell:
        command("train_responses")


for (dataset, group), blocks in TRAINED_TOGETHER.items():

    rule:
        name:
            f"train_{group}_on_{dataset}"
        input:
            files_of_training(blocks),
        output:
            [path.format(**vars(block)) for block in blocks for path in TRAINING_OUTPUTS.values()],
        log:
            f"logs/train_together/{dataset}/{group}.log",
        benchmark:
            f"logs/benchmarks/train_together/{dataset}/{group}.tsv"
        priority: 1
        conda:
            ENVIRONMENT
        threads: config["compute"]["threads"]
        resources:
            gpu=config["compute"]["gpu"],
            mem_mb=group_resource(blocks, "mem_mb", 4000),
            runtime=group_resource(blocks, "runtime", 720),
        params:
            calls=calls_of_training(blocks),
        shell:
            command_of_calls("train_responses")


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
    priority: 1
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
