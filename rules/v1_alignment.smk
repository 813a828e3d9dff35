# V1 alignment: properties of units measured with gratings, their scores against recorded neurons,
# and how well the units predict recorded neurons. For the networks of any paper.


include: "v1_inputs.smk"


rule measure_v1_properties:
    input:
        checkpoints=of_blocks("checkpoint.pt"),
        recording=v1_recording,
        textures=v1_textures(),
        code=model_code("measure_v1_properties"),
    output:
        populations="results/{dataset}/{networks}/v1_populations.csv",
        units="results/{dataset}/{networks}/v1_units.csv",
        properties="results/{dataset}/{networks}/v1_properties.csv",
    log:
        "logs/measure_v1_properties/{dataset}/{networks}.log",
    benchmark:
        "logs/benchmarks/measure_v1_properties/{dataset}/{networks}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        subject=as_json({"kind": "networks", "screen": V1["screen"]}),
        device=config["compute"]["device"],
    shell:
        command("measure_v1_properties")


use rule measure_v1_properties as measure_v1_cells with:
    input:
        checkpoints=[],
        recording=[],
        textures=[],
        code=code("measure_v1_properties"),
    output:
        populations="results/{paper}/v1_cells_populations.csv",
        units="results/{paper}/v1_cells_units.csv",
        properties="results/{paper}/v1_cells_properties.csv",
    log:
        "logs/measure_v1_cells/{paper}.log",
    benchmark:
        "logs/benchmarks/measure_v1_cells/{paper}.tsv"
    wildcard_constraints:
        paper="|".join(config["papers"]),
    params:
        subject=v1_cells(),
        device="cpu",


rule score_v1_properties:
    input:
        properties="results/{dataset}/{networks}/v1_properties.csv",
        populations="results/{dataset}/{networks}/v1_populations.csv",
        distributions=beside("report/v1_property_distributions.csv"),
        measured=v1_measured(),
        code=code("score_v1_properties"),
    output:
        scores="results/{dataset}/{networks}/v1_scores.csv",
    log:
        "logs/score_v1_properties/{dataset}/{networks}.log",
    benchmark:
        "logs/benchmarks/score_v1_properties/{dataset}/{networks}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        n_draws=V1["n_draws"],
        seed=V1["seed"],
    shell:
        command("score_v1_properties")


use rule score_v1_properties as score_v1_cells with:
    input:
        properties="results/{paper}/v1_cells_properties.csv",
        populations="results/{paper}/v1_cells_populations.csv",
        distributions=beside("report/v1_property_distributions.csv"),
        measured=v1_measured(),
        code=code("score_v1_properties"),
    output:
        scores="results/{paper}/v1_cells_scores.csv",
    log:
        "logs/score_v1_cells/{paper}.log",
    benchmark:
        "logs/benchmarks/score_v1_cells/{paper}.tsv"
    wildcard_constraints:
        paper="|".join(config["papers"]),


rule recover_v1_properties:
    input:
        units="results/{paper}/v1_cells_units.csv",
        properties="results/{paper}/v1_cells_properties.csv",
        code=code("recover_v1_properties"),
    output:
        recovery="results/{paper}/v1_cells.csv",
        agreement="results/{paper}/v1_cells_agreement.csv",
    log:
        "logs/recover_v1_properties/{paper}.log",
    benchmark:
        "logs/benchmarks/recover_v1_properties/{paper}.tsv"
    wildcard_constraints:
        paper="|".join(config["papers"]),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        subject=v1_cells(),
        options=as_json(V1["recovery"]),
    shell:
        command("recover_v1_properties")


rule predict_neurons:
    input:
        recording=f"data/processed/{V1['neurons']['dataset']}.npz",
        checkpoints=of_blocks("checkpoint.pt"),
        own_recording=v1_recording,
        code=model_code("predict_neurons"),
    output:
        neurons="results/{dataset}/{networks}/predicted_neurons.csv",
        predictivity="results/{dataset}/{networks}/predictivity.csv",
    log:
        "logs/predict_neurons/{dataset}/{networks}.log",
    benchmark:
        "logs/benchmarks/predict_neurons/{dataset}/{networks}.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        subject=as_json({"kind": "networks", "screen": V1["screen"]}),
        settings=as_json(V1["neurons"]["settings"]),
        device=config["compute"]["device"],
    shell:
        command("predict_neurons")
