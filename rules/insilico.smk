# In-silico experiments: a trained network as an experimental subject.


rule preferred_images:
    input:
        recording=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        scores="results/{dataset}/{model}/scores.csv",
        code=model_code("insilico_preferred_images"),
    output:
        images="results/{dataset}/{model}/preferred_images.npz",
    log:
        "logs/preferred_images/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/preferred_images/{dataset}/{model}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        settings=as_json(config["papers"]["kindel2019"]["preferred_images"]),
    shell:
        command("insilico_preferred_images")


rule orientation_tuning:
    input:
        recording=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        code=model_code("insilico_orientation_tuning"),
    output:
        tuning="results/{dataset}/{model}/orientation_tuning.csv",
    log:
        "logs/orientation_tuning/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/orientation_tuning/{dataset}/{model}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        settings=as_json(config["papers"]["kindel2019"]["orientation_tuning"]),
    shell:
        command("insilico_orientation_tuning")


rule recover_kindel2019:
    input:
        recording=recording_of,
        truth=raw("truth.npz"),
        predictions=of_blocks("predictions.npz"),
        preferred_images="results/{dataset}/{model}/preferred_images.npz",
        tuning="results/{dataset}/{model}/orientation_tuning.csv",
        code=code("recover_kindel2019"),
    output:
        recovery="results/{dataset}/{model}/recovery.csv",
    log:
        "logs/recover_kindel2019/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/recover_kindel2019/{dataset}/{model}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        options=as_json(config["evaluation"]["options"]),
    shell:
        command("recover_kindel2019")
