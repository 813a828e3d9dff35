# Figures, tables and claims of Lurz et al. 2021 (ICLR).
#
# Curves are drawn twice: for simulated animals, which have everything the paper has, and for the
# public scan, where it may be used (papers.lurz2021.variants).


include: "lurz2021_inputs.smk"
include: "lurz2021_parameters.smk"
include: "lurz2021_recovery.smk"


rule lurz2021_fig1_collections:
    input:
        code=code("figures.lurz2021_fig1_collections"),
    output:
        figure=lurz_report("fig1_collections", "fig1_collections.png", figure="Fig 1 collections"),
        pdf="results/lurz2021/fig1_collections.pdf",
        table="results/lurz2021/fig1_collections.csv",
    log:
        "logs/lurz2021_fig1_collections.log",
    benchmark:
        "logs/benchmarks/lurz2021_fig1_collections.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        fields=as_json(lurz_simulated["fields"]),
        collections=as_json(
            [[label, lurz_scans(dataset)] for label, dataset in lurz["collections"].items()]
        ),
        evaluation=as_json(lurz_scans(lurz["recovery_dataset"])),
        source_kind=kind_of_dataset(lurz["recovery_dataset"]),
    shell:
        command("figures.lurz2021_fig1_collections")


rule lurz2021_fig3_direct:
    input:
        populations=lurz_curves("fig3"),
        published=beside("report/published_values.csv"),
        code=code("figures.lurz2021_fig3_direct"),
    output:
        figure=lurz_report(
            "fig3_direct",
            "fig3_direct/{variant}.png",
            figure="Fig 3 direct training",
            variant="{variant}",
        ),
        pdf="results/lurz2021/fig3_direct/{variant}.pdf",
        table="results/lurz2021/fig3_direct/{variant}.csv",
    log:
        "logs/lurz2021_fig3_direct/{variant}.log",
    benchmark:
        "logs/benchmarks/lurz2021_fig3_direct/{variant}.tsv"
    wildcard_constraints:
        variant="|".join(lurz["variants"]),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=lurz_legend("fig3"),
        missing=lurz_reasons("fig3"),
        proxy=lambda wildcards: as_json(lurz_proxy(wildcards.variant)),
        score=lurz_judged["score"],
        bootstrap_seed=lurz_judged["bootstrap_seed"],
    shell:
        command("figures.lurz2021_fig3_direct")


rule lurz2021_fig4_transfer:
    input:
        populations=lurz_curves("fig4"),
        records=lambda wildcards: lurz_cores(wildcards.variant),
        published=beside("report/published_values.csv"),
        code=code("figures.lurz2021_fig4_transfer"),
    output:
        figure=lurz_report(
            "fig4_transfer",
            "fig4_transfer/{variant}.png",
            figure="Fig 4 transfer to other neurons",
            variant="{variant}",
        ),
        pdf="results/lurz2021/fig4_transfer/{variant}.pdf",
        table="results/lurz2021/fig4_transfer/{variant}.csv",
    log:
        "logs/lurz2021_fig4_transfer/{variant}.log",
    benchmark:
        "logs/benchmarks/lurz2021_fig4_transfer/{variant}.tsv"
    wildcard_constraints:
        variant="|".join(lurz["variants"]),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=lambda wildcards: as_json(lurz_transfer(wildcards.variant)),
        missing=lurz_reasons("fig4"),
        proxy=lambda wildcards: as_json(lurz_proxy(wildcards.variant)),
        score=lurz_judged["score"],
        bootstrap_seed=lurz_judged["bootstrap_seed"],
    shell:
        command("figures.lurz2021_fig4_transfer")


rule lurz2021_fig5_animals:
    input:
        populations=lurz_curves("fig5"),
        published=beside("report/published_values.csv"),
        code=code("figures.lurz2021_fig5_animals"),
    output:
        figure=lurz_report(
            "fig5_animals",
            "fig5_animals/{variant}.png",
            figure="Fig 5 transfer between animals",
            variant="{variant}",
        ),
        pdf="results/lurz2021/fig5_animals/{variant}.pdf",
        table="results/lurz2021/fig5_animals/{variant}.csv",
    log:
        "logs/lurz2021_fig5_animals/{variant}.log",
    benchmark:
        "logs/benchmarks/lurz2021_fig5_animals/{variant}.tsv"
    wildcard_constraints:
        variant="|".join(lurz["variants"]),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=lurz_legend("fig5"),
        missing=lurz_reasons("fig5"),
        unreduced=as_json(lurz_judged["unreduced"]),
        altered=lambda wildcards: as_json(lurz_altered(wildcards.variant)),
        score=lurz_judged["score"],
        bootstrap_seed=lurz_judged["bootstrap_seed"],
    shell:
        command("figures.lurz2021_fig5_animals")


rule lurz2021_fig5_direct_variants:
    input:
        population=lambda wildcards: lurz_files(
            lurz_dataset("fig5", wildcards.variant),
            [lurz_drawn("fig5", wildcards.variant)["direct"]],
        ),
        code=code("figures.lurz2021_fig5_direct_variants"),
    output:
        figure=lurz_report(
            "fig5_direct_variants",
            "fig5_direct_variants/{variant}.png",
            figure="Fig 5 direct training, both variants",
            variant="{variant}",
        ),
        pdf="results/lurz2021/fig5_direct_variants/{variant}.pdf",
        table="results/lurz2021/fig5_direct_variants/{variant}.csv",
    log:
        "logs/lurz2021_fig5_direct_variants/{variant}.log",
    benchmark:
        "logs/benchmarks/lurz2021_fig5_direct_variants/{variant}.tsv"
    wildcard_constraints:
        variant="|".join(lurz["variants"]),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=lambda wildcards: lurz_drawn("fig5", wildcards.variant)["direct"],
        score=lurz_judged["score"],
        bootstrap_seed=lurz_judged["bootstrap_seed"],
    shell:
        command("figures.lurz2021_fig5_direct_variants")


rule lurz2021_ablation:
    input:
        populations=lurz_curves("ablation"),
        published=beside("report/published_values.csv"),
        code=code("figures.lurz2021_ablation"),
    output:
        figure=lurz_report("ablation", "ablation.png", figure="ablation"),
        pdf="results/lurz2021/ablation.pdf",
        table="results/lurz2021/ablation.csv",
    log:
        "logs/lurz2021_ablation.log",
    benchmark:
        "logs/benchmarks/lurz2021_ablation.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(in_order(lurz_drawn("ablation", lurz_first))),
        missing=as_json(lurz_missing("ablation", lurz_first)),
        proxy=as_json(lurz_proxy(lurz_first)),
        score=lurz_judged["score"],
        bootstrap_seed=lurz_judged["bootstrap_seed"],
    shell:
        command("figures.lurz2021_ablation")


rule lurz2021_readout_positions:
    input:
        positions=lambda wildcards: lurz_files(
            lurz_dataset("readout_positions", wildcards.variant),
            lurz_positions(wildcards.variant).values(),
            "readout_positions.csv",
        ),
        code=code("figures.lurz2021_readout_positions"),
    output:
        figure=lurz_report(
            "readout_positions",
            "readout_positions/{variant}.png",
            figure="readout positions",
            variant="{variant}",
        ),
        pdf="results/lurz2021/readout_positions/{variant}.pdf",
        table="results/lurz2021/readout_positions/{variant}.csv",
    log:
        "logs/lurz2021_readout_positions/{variant}.log",
    benchmark:
        "logs/benchmarks/lurz2021_readout_positions/{variant}.tsv"
    wildcard_constraints:
        variant="|".join(lurz["variants"]),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        models=lambda wildcards: as_json(lurz_positions(wildcards.variant)),
        proxy=lambda wildcards: as_json(lurz_proxy(wildcards.variant)),
        size_px=lambda wildcards: as_json(
            lurz_size_px(lurz_dataset("readout_positions", wildcards.variant))
        ),
        n_examples=lurz_judged["shown_neurons"],
    shell:
        command("figures.lurz2021_readout_positions")


rule lurz2021_claims:
    input:
        populations=lurz_judged_files(),
        records=lurz_judged_cores(),
        parameters="results/lurz2021/readout_parameters.csv",
        code=code("tables.lurz2021_claims"),
    output:
        claims=lurz_report("claims", "claims.csv", table="claims and verdicts"),
    log:
        "logs/lurz2021_claims.log",
    benchmark:
        "logs/benchmarks/lurz2021_claims.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        evaluations=as_json([lurz_evaluation(variant) for variant in lurz_variants]),
        collections=as_json([lurz_collection(variant) for variant in lurz_variants]),
        score=lurz_judged["score"],
        least_replicates=lurz_judged["least_replicates"],
        bootstrap_seed=lurz_judged["bootstrap_seed"],
    shell:
        command("tables.lurz2021_claims")


rule lurz2021_measured:
    input:
        populations=lurz_judged_files(),
        records=lurz_judged_cores(),
        parameters="results/lurz2021/readout_parameters.csv",
        recording=f"data/processed/{lurz['variants'][lurz_compared]['scan']}",
        published=beside("report/published_values.csv"),
        code=code("tables.lurz2021_measured"),
    output:
        measured="results/lurz2021/measured.csv",
    log:
        "logs/lurz2021_measured.log",
    benchmark:
        "logs/benchmarks/lurz2021_measured.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        evaluation=as_json(lurz_evaluation(lurz_compared)),
        collections=as_json([lurz_collection(variant) for variant in lurz_variants]),
        bootstrap_seed=lurz_judged["bootstrap_seed"],
    shell:
        command("tables.lurz2021_measured")


rule lurz2021_published:
    input:
        published=beside("report/published_values.csv"),
        measured="results/lurz2021/measured.csv",
        code=code("tables.published_of_paper"),
    output:
        table=lurz_report("published", "published.csv", table="published beside ours"),
        markdown="results/lurz2021/published.md",
    log:
        "logs/lurz2021_published.log",
    benchmark:
        "logs/benchmarks/lurz2021_published.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        paper="lurz2021",
    shell:
        command("tables.published_of_paper")


lurz_results += [
    rules.lurz2021_fig1_collections.output,
    collect(rules.lurz2021_fig3_direct.output, variant=lurz_variants),
    collect(rules.lurz2021_fig4_transfer.output, variant=lurz_variants),
    collect(rules.lurz2021_fig5_animals.output, variant=lurz_variants),
    collect(rules.lurz2021_fig5_direct_variants.output, variant=lurz_variants),
    collect(rules.lurz2021_readout_positions.output, variant=lurz_variants),
    rules.lurz2021_ablation.output,
    rules.lurz2021_claims.output,
    rules.lurz2021_measured.output,
    rules.lurz2021_published.output,
]


rule lurz2021:
    input:
        lurz_results,
    localrule: True
