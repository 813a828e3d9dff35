# Figures and statistics of the learned normalization (Burg et al. 2021, figures 5 and 7C, D).
#
# The first rule runs the networks of the best draws; all others read what it leaves.


rule analyse_normalization:
    input:
        recording=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        ranking="results/{dataset}/{model}/ranking.csv",
        code=model_code("analyse_normalization"),
    output:
        normalization="results/{dataset}/{model}/normalization.npz",
    log:
        "logs/analyse_normalization/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/analyse_normalization/{dataset}/{model}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        rank_ranges=burg_analysed_ranks,
    shell:
        command("analyse_normalization")


rule burg2021_normalization_statistics:
    input:
        specific=burg_file("specific", "normalization.npz"),
        nonspecific=burg_file("nonspecific", "normalization.npz"),
        pools=burg_files(burg_sheets.values(), "normalization.npz"),
        code=code("tables.burg2021_normalization_statistics"),
    output:
        statistics=burg_report(
            "normalization_statistics",
            "normalization_statistics.csv",
            table="learned normalization",
        ),
    log:
        "logs/burg2021_normalization_statistics.log",
    benchmark:
        "logs/benchmarks/burg2021_normalization_statistics.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        pool_roles=as_json(list(burg_sheets.values())),
        n_top=burg["n_top"],
        settings=as_json(
            fields_of(burg_normalization, "thresholds", "similar_below_deg", "bin_width_deg")
        ),
    shell:
        command("tables.burg2021_normalization_statistics")


rule burg2021_f5a_matrix:
    input:
        normalization=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_f5a_matrix"),
    output:
        figure=burg_report("f5a_matrix", "f5a_matrix.png", figure="F5A normalization input"),
        pdf="results/burg2021/f5a_matrix.pdf",
        table="results/burg2021/f5a_matrix.csv",
    log:
        "logs/burg2021_f5a_matrix.log",
    benchmark:
        "logs/benchmarks/burg2021_f5a_matrix.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        oriented=as_json(burg_oriented),
        similar_below_deg=burg_normalization["similar_below_deg"],
        rotate=burg_normalization["rotate"],
    shell:
        command("figures.burg2021_f5a_matrix")


rule burg2021_f5b_similar:
    input:
        normalization=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_f5b_similar"),
    output:
        figure=burg_report("f5b_similar", "f5b_similar.png", figure="F5B similar and dissimilar"),
        pdf="results/burg2021/f5b_similar.pdf",
        table="results/burg2021/f5b_similar.csv",
    log:
        "logs/burg2021_f5b_similar.log",
    benchmark:
        "logs/benchmarks/burg2021_f5b_similar.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        oriented=as_json(burg_oriented),
        similar_below_deg=burg_normalization["similar_below_deg"],
        summed_over=burg_normalization["summed_over"],
    shell:
        command("figures.burg2021_f5b_similar")


rule burg2021_f5c_orientation:
    input:
        normalization=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_f5c_orientation"),
    output:
        figure=burg_report(
            "f5c_orientation", "f5c_orientation.png", figure="F5C orientation difference"
        ),
        pdf="results/burg2021/f5c_orientation.pdf",
        table="results/burg2021/f5c_orientation.csv",
    log:
        "logs/burg2021_f5c_orientation.log",
    benchmark:
        "logs/benchmarks/burg2021_f5c_orientation.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        n_top=burg["n_top"],
        oriented=as_json(burg_oriented),
        bin_width_deg=burg_normalization["bin_width_deg"],
    shell:
        command("figures.burg2021_f5c_orientation")


rule burg2021_f5d_exponents:
    input:
        normalization=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_f5d_exponents"),
    output:
        figure=burg_report("f5d_exponents", "f5d_exponents.png", figure="F5D exponents"),
        pdf="results/burg2021/f5d_exponents.pdf",
        table="results/burg2021/f5d_exponents.csv",
    log:
        "logs/burg2021_f5d_exponents.log",
    benchmark:
        "logs/benchmarks/burg2021_f5d_exponents.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        n_top=burg["n_top"],
        oriented=as_json(burg_oriented),
        n_bins=burg_normalization["n_bins"],
    shell:
        command("figures.burg2021_f5d_exponents")


rule burg2021_f7_pools:
    input:
        normalization=lambda wildcards: burg_file(burg_sheets[wildcards.sheet], "normalization.npz"),
        code=code("figures.burg2021_f7_pools"),
    output:
        figure=burg_report("f7_pools", "{sheet}.png", figure="F7 {sheet}"),
        pdf="results/burg2021/{sheet}.pdf",
        table="results/burg2021/{sheet}.csv",
    log:
        "logs/burg2021_f7_pools/{sheet}.log",
    benchmark:
        "logs/benchmarks/burg2021_f7_pools/{sheet}.tsv"
    wildcard_constraints:
        sheet="|".join(burg_sheets),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        spacing_deg=lambda wildcards: burg_place_spacing(burg_sheets[wildcards.sheet]),
        steps=as_json(burg_steps(burg_pools)),
    shell:
        command("figures.burg2021_f7_pools")


rule burg2021_f_readout:
    input:
        normalization=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_f_readout"),
    output:
        figure=burg_report("f_readout", "f_readout.png", figure="readout weights"),
        pdf="results/burg2021/f_readout.pdf",
        table="results/burg2021/f_readout.csv",
    log:
        "logs/burg2021_f_readout.log",
    benchmark:
        "logs/benchmarks/burg2021_f_readout.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        n_top=burg["n_top"],
        n_bins=burg_normalization["n_bins"],
    shell:
        command("figures.burg2021_f_readout")


rule burg2021_a_filters:
    input:
        normalization=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_a_filters"),
    output:
        figure=burg_report("a_filters", "a_filters.png", figure="filters by orientation"),
        pdf="results/burg2021/a_filters.pdf",
        table="results/burg2021/a_filters.csv",
    log:
        "logs/burg2021_a_filters.log",
    benchmark:
        "logs/benchmarks/burg2021_a_filters.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        ranks=as_json(burg["tune_ranks"]),
        oriented=as_json(burg_oriented),
    shell:
        command("figures.burg2021_a_filters")


rule burg2021_b_regression:
    input:
        normalization=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_b_regression"),
    output:
        figure=burg_report("b_regression", "b_regression.png", figure="input against difference"),
        pdf="results/burg2021/b_regression.pdf",
        table="results/burg2021/b_regression.csv",
    log:
        "logs/burg2021_b_regression.log",
    benchmark:
        "logs/benchmarks/burg2021_b_regression.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        oriented=as_json(burg_oriented),
    shell:
        command("figures.burg2021_b_regression")


rule burg2021_c_nonspecific:
    input:
        nonspecific=burg_file("nonspecific", "normalization.npz"),
        specific=burg_file("specific", "normalization.npz"),
        code=code("figures.burg2021_c_nonspecific"),
    output:
        figure=burg_report("c_nonspecific", "c_nonspecific.png", figure="non-specific control"),
        pdf="results/burg2021/c_nonspecific.pdf",
        table="results/burg2021/c_nonspecific.csv",
    log:
        "logs/burg2021_c_nonspecific.log",
    benchmark:
        "logs/benchmarks/burg2021_c_nonspecific.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        n_top=burg["n_top"],
        settings=as_json(
            {"oriented": burg_oriented}
            | fields_of(burg_normalization, "similar_below_deg", "bin_width_deg")
        ),
    shell:
        command("figures.burg2021_c_nonspecific")


burg_results += [
    rules.burg2021_normalization_statistics.output,
    rules.burg2021_f5a_matrix.output,
    rules.burg2021_f5b_similar.output,
    rules.burg2021_f5c_orientation.output,
    rules.burg2021_f5d_exponents.output,
    expand(rules.burg2021_f7_pools.output, sheet=burg_sheets),
    rules.burg2021_f_readout.output,
    rules.burg2021_a_filters.output,
    rules.burg2021_b_regression.output,
    rules.burg2021_c_nonspecific.output,
]
