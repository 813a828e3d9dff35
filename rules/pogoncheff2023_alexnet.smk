# The V1 experiment on AlexNet, whose published scores check it; for who switches its weights on.


use rule measure_v1_properties as measure_v1_alexnet with:
    input:
        checkpoints=pogoncheff_alexnet_weights,
        recording=[],
        textures=v1_textures(),
        code=code("measure_v1_properties"),
    output:
        populations="results/pogoncheff2023/alexnet/v1_populations.csv",
        units="results/pogoncheff2023/alexnet/v1_units.csv",
        properties="results/pogoncheff2023/alexnet/v1_properties.csv",
    log:
        "logs/measure_v1_alexnet.log",
    benchmark:
        "logs/benchmarks/measure_v1_alexnet.tsv"
    params:
        subject=as_json(
            {
                "kind": "alexnet",
                "dataset": "imagenet",
                "layer": pogoncheff["alexnet"]["layer"],
                "screen": V1["screen"],
            }
        ),
        device=config["compute"]["device"],


use rule score_v1_properties as score_v1_alexnet with:
    input:
        properties="results/pogoncheff2023/alexnet/v1_properties.csv",
        populations="results/pogoncheff2023/alexnet/v1_populations.csv",
        distributions=beside("report/v1_property_distributions.csv"),
        measured=v1_measured(),
        code=code("score_v1_properties"),
    output:
        scores="results/pogoncheff2023/alexnet/v1_scores.csv",
    log:
        "logs/score_v1_alexnet.log",
    benchmark:
        "logs/benchmarks/score_v1_alexnet.tsv"
