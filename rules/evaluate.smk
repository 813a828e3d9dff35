# Predict, score, collect: from trained networks to one tidy table of scores. Predictions for data
# sets of scans are too large to be kept: their networks are scored straight from the checkpoints.


rule predict:
    input:
        recording=recording_of,
        checkpoint="results/{dataset}/{model}/{block}/checkpoint.pt",
        weights=weights_of_model,
        code=model_code("predict"),
    output:
        predictions="results/{dataset}/{model}/{block}/predictions.npz",
    log:
        "logs/predict/{dataset}/{model}/{block}.log",
    benchmark:
        "logs/benchmarks/predict/{dataset}/{model}/{block}.tsv"
    wildcard_constraints:
        dataset=datasets_where(lambda name: not is_of_scans(name)),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    shell:
        command("predict")


rule score:
    input:
        recording=recording_of,
        predictions=of_blocks("predictions.npz"),
        code=code("score"),
    output:
        scores="results/{dataset}/{model}/scores.csv",
    log:
        "logs/score/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/score/{dataset}/{model}.tsv"
    wildcard_constraints:
        dataset=datasets_where(lambda name: not is_of_scans(name)),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        metrics=lambda wildcards: as_json(dataset_entry(wildcards)["evaluate"]),
        options=as_json(config["evaluation"]["options"]),
    shell:
        command("score")


rule score_scans:
    input:
        recording=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        runs=of_blocks("run.json"),
        weights=weights_of_model,
        code=model_code("score_scans"),
    output:
        scores="results/{dataset}/{networks}/scores.csv",
        population="results/{dataset}/{networks}/population_scores.csv",
    log:
        "logs/score_scans/{dataset}/{networks}.log",
    benchmark:
        "logs/benchmarks/score_scans/{dataset}/{networks}.tsv"
    wildcard_constraints:
        dataset=datasets_where(is_of_scans),
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        metrics=lambda wildcards: as_json(dataset_entry(wildcards)["evaluate"]),
        options=as_json(
            config["evaluation"]["options"] | fields_of(config["evaluation"], "explainable_share")
        ),
    shell:
        command("score_scans")


rule locate_readouts:
    input:
        recording=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        runs=of_blocks("run.json"),
        weights=weights_of_model,
        code=model_code("locate_readouts"),
    output:
        positions="results/{dataset}/{networks}/readout_positions.csv",
    log:
        "logs/locate_readouts/{dataset}/{networks}.log",
    benchmark:
        "logs/benchmarks/locate_readouts/{dataset}/{networks}.tsv"
    wildcard_constraints:
        dataset=datasets_where(is_of_scans),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    shell:
        command("locate_readouts")


rule choose_penalties:
    input:
        population=lambda wildcards: evaluations(
            wildcards.dataset, [wildcards.model], "population_scores.csv"
        ),
        runs=of_blocks("run.json"),
        code=code("choose_penalties"),
    output:
        chosen="results/{dataset}/{model}/chosen.json",
        candidates="results/{dataset}/{model}/chosen.csv",
    log:
        "logs/choose_penalties/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/choose_penalties/{dataset}/{model}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    shell:
        command("choose_penalties")


rule rank_draws:
    input:
        scores="results/{dataset}/{model}/scores.csv",
        runs=of_blocks("run.json"),
        code=code("rank_draws"),
    output:
        ranking="results/{dataset}/{model}/ranking.csv",
        draws="results/{dataset}/{model}/draws.csv",
    log:
        "logs/rank_draws/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/rank_draws/{dataset}/{model}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    shell:
        command("rank_draws")


rule collect_scores:
    input:
        scores=scores_of_paper,
        code=code("collect_scores"),
    output:
        collected="results/{paper}/scores.csv",
    log:
        "logs/collect_scores/{paper}.log",
    benchmark:
        "logs/benchmarks/collect_scores/{paper}.tsv"
    wildcard_constraints:
        paper="|".join(config["papers"]),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    shell:
        command("collect_scores")
