# The V1 experiment of Pogoncheff et al. 2023 on cells whose tuning is known.


rule pogoncheff2023_recovery:
    input:
        cells="results/pogoncheff2023/v1_cells.csv",
        agreement="results/pogoncheff2023/v1_cells_agreement.csv",
        code=code("figures.pogoncheff2023_recovery"),
    output:
        figure=pogoncheff_report("recovery", "recovery.png", figure="planted and recovered"),
        pdf="results/pogoncheff2023/recovery.pdf",
        table="results/pogoncheff2023/recovery.csv",
    log:
        "logs/pogoncheff2023_recovery.log",
    benchmark:
        "logs/benchmarks/pogoncheff2023_recovery.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        command("figures.pogoncheff2023_recovery")


pogoncheff_results += [
    rules.pogoncheff2023_recovery.output,
    "results/pogoncheff2023/v1_cells_scores.csv",
]
