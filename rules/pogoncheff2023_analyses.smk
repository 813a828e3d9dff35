# Figures P5 and P6 of Pogoncheff et al. 2023: learned components, and images that activate V1 most.


# Networks with components that learn, by label.
pogoncheff_learned = {
    label: model
    for label, model in pogoncheff_normal.items()
    if pogoncheff_settings[label]["center_surround"] or pogoncheff_settings[label]["normalization"]
}


rule pogoncheff2023_p5_components:
    input:
        components=pogoncheff_evaluations(pogoncheff_learned, "components.csv"),
        code=code("figures.pogoncheff2023_p5_components"),
    output:
        figure=pogoncheff_report(
            "p5_components", "p5_components.png", figure="P5 learned components"
        ),
        pdf="results/pogoncheff2023/p5_components.pdf",
        table="results/pogoncheff2023/p5_components.csv",
    log:
        "logs/pogoncheff2023_p5_components.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p5_components.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        models=as_json([list(pair) for pair in pogoncheff_learned.items()]),
        n_bins=pogoncheff["components"]["n_bins"],
        tail=pogoncheff["components"]["tail"],
        profile=pogoncheff["profile"],
    shell:
        command("figures.pogoncheff2023_p5_components")


rule pogoncheff2023_p6_activating_images:
    input:
        activating=pogoncheff_files(pogoncheff_single, "activating_images.npz"),
        code=code("figures.pogoncheff2023_p6_activating_images"),
    output:
        figure=pogoncheff_report(
            "p6_activating_images", "p6_activating_images.png", figure="P6 activating images"
        ),
        pdf="results/pogoncheff2023/p6_activating_images.pdf",
        table="results/pogoncheff2023/p6_activating_images.csv",
    log:
        "logs/pogoncheff2023_p6_activating_images.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_p6_activating_images.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json([list(pair) for pair in pogoncheff_single.items()]),
        profile=pogoncheff["profile"],
    shell:
        command("figures.pogoncheff2023_p6_activating_images")


if pogoncheff_learned:
    pogoncheff_results += [rules.pogoncheff2023_p5_components.output]
if pogoncheff_single:
    pogoncheff_results += [rules.pogoncheff2023_p6_activating_images.output]
