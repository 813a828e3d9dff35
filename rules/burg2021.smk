# Figures, tables and claims of Burg et al. 2021 (PLOS Comput. Biol. 17(6): e1009028).
#
# Nothing here trains. A file of rules that is included below adds its results to burg_results.


include: "burg2021_inputs.smk"
include: "burg2021_normalization.smk"
include: "burg2021_recovery.smk"
include: "burg2021_insilico.smk"


rule burg2021_f3_performance:
    input:
        rankings=burg_files(burg_classes, "ranking.csv"),
        code=code("figures.burg2021_f3_performance"),
    output:
        figure=burg_report("f3_performance", "f3_performance.png", figure="F3 performance"),
        pdf="results/burg2021/f3_performance.pdf",
        table="results/burg2021/f3_performance.csv",
    log:
        "logs/burg2021_f3_performance.log",
    benchmark:
        "logs/benchmarks/burg2021_f3_performance.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(list(burg_models(burg_classes).values())),
        gap=as_json([burg_roles["subunit"], burg_roles["cnn"]]),
        n_top=burg["n_top"],
    shell:
        command("figures.burg2021_f3_performance")


rule burg2021_f7b_pool_size:
    input:
        rankings=burg_files(burg_pools, "ranking.csv"),
        code=code("figures.burg2021_f7b_pool_size"),
    output:
        figure=burg_report("f7b_pool_size", "f7b_pool_size.png", figure="F7B pool size"),
        pdf="results/burg2021/f7b_pool_size.pdf",
        table="results/burg2021/f7b_pool_size.csv",
    log:
        "logs/burg2021_f7b_pool_size.log",
    benchmark:
        "logs/benchmarks/burg2021_f7b_pool_size.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        pools=as_json([burg_pool(role) for role in burg_pools]),
        steps=as_json(burg_steps(burg_pools)),
        n_top=burg["n_top"],
    shell:
        command("figures.burg2021_f7b_pool_size")


rule burg2021_fev_per_model:
    input:
        rankings=[*burg_files(burg_roles, "ranking.csv"), *burg_baseline_files("ranking.csv")],
        code=code("tables.burg2021_fev_per_model"),
    output:
        table=burg_report("fev_per_model", "fev_per_model.csv", table="FEV per model"),
        markdown="results/burg2021/fev_per_model.md",
    log:
        "logs/burg2021_fev_per_model.log",
    benchmark:
        "logs/benchmarks/burg2021_fev_per_model.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json([*burg_roles.values(), *burg_baselines.values()]),
        gap=as_json([burg_roles["subunit"], burg_roles["cnn"]]),
        n_top=burg["n_top"],
    shell:
        command("tables.burg2021_fev_per_model")


rule burg2021_tests:
    input:
        scores=burg_files(burg_roles, "scores.csv"),
        rankings=burg_files(burg_roles, "ranking.csv"),
        code=code("tables.burg2021_tests"),
    output:
        table=burg_report("tests", "tests.csv", table="tests between models"),
        markdown="results/burg2021/tests.md",
    log:
        "logs/burg2021_tests.log",
    benchmark:
        "logs/benchmarks/burg2021_tests.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        families=as_json(
            {
                "classes": list(burg_models(burg_classes).values()),
                "pools": list(burg_models(burg_pools).values()),
            }
        ),
        steps=as_json({"classes": burg_steps(burg_classes), "pools": burg_steps(burg_pools)}),
        significance=burg_judged["significance"],
    shell:
        command("tables.burg2021_tests")


rule burg2021_search_summary:
    input:
        draws=[*burg_files(burg_roles, "draws.csv"), *burg_baseline_files("draws.csv")],
        code=code("tables.burg2021_search_summary"),
    output:
        table=burg_report("search_summary", "search_summary.csv", table="searches"),
        markdown="results/burg2021/search_summary.md",
    log:
        "logs/burg2021_search_summary.log",
    benchmark:
        "logs/benchmarks/burg2021_search_summary.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        planned=as_json(burg_planned()),
        n_top=burg["n_top"],
    shell:
        command("tables.burg2021_search_summary")


rule burg2021_measured:
    input:
        rankings=burg_files(burg_classes, "ranking.csv"),
        baseline_rankings=burg_baseline_files("ranking.csv"),
        tests="results/burg2021/tests.csv",
        normalization="results/burg2021/normalization_statistics.csv",
        runs=burg_block_files("specific", "run.json")[:1],
        recording=burg_recording("specific"),
        code=code("tables.burg2021_measured"),
    output:
        measured="results/burg2021/measured.csv",
    log:
        "logs/burg2021_measured.log",
    benchmark:
        "logs/benchmarks/burg2021_measured.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        roles=as_json(burg_models(burg_classes)),
        baselines=as_json(burg_baselines),
        planned=as_json(burg_smallest_searches()),
        pools=as_json([burg_pool(role) for role in burg_pools]),
        settings=as_json(burg_settings),
        criterion=burg["normalization"]["criterion"],
        n_top=burg["n_top"],
    shell:
        command("tables.burg2021_measured")


rule burg2021_published:
    input:
        published=beside("report/published_values.csv"),
        measured="results/burg2021/measured.csv",
        code=code("tables.published_of_paper"),
    output:
        table=burg_report("published", "published.csv", table="published beside ours"),
        markdown="results/burg2021/published.md",
    log:
        "logs/burg2021_published.log",
    benchmark:
        "logs/benchmarks/burg2021_published.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        paper="burg2021",
    shell:
        command("tables.published_of_paper")


rule burg2021_claims:
    input:
        rankings=[*burg_files(burg_roles, "ranking.csv"), *burg_baseline_files("ranking.csv")],
        scores=[*burg_files(["specific", "cnn"], "scores.csv"), *burg_baseline_files("scores.csv")],
        tests="results/burg2021/tests.csv",
        statistics=[
            "results/burg2021/normalization_statistics.csv",
            "results/burg2021/insilico_statistics.csv",
        ],
        code=code("tables.burg2021_claims"),
    output:
        claims=burg_report("claims", "claims.csv", table="claims and verdicts"),
    log:
        "logs/burg2021_claims.log",
    benchmark:
        "logs/benchmarks/burg2021_claims.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        roles=as_json(burg_roles),
        baselines=as_json(
            [burg_baselines[name] for name in ("lnp", "gfb") if name in burg_baselines]
        ),
        criterion=burg["normalization"]["criterion"],
        n_top=burg["n_top"],
        judged=as_json(burg_judged | {"pools_trained_alike": not burg_steps(burg_pools)}),
    shell:
        command("tables.burg2021_claims")


burg_results += [
    rules.burg2021_f3_performance.output,
    rules.burg2021_f7b_pool_size.output,
    rules.burg2021_fev_per_model.output,
    rules.burg2021_tests.output,
    rules.burg2021_search_summary.output,
    rules.burg2021_measured.output,
    rules.burg2021_published.output,
    rules.burg2021_claims.output,
]


rule burg2021:
    input:
        burg_results,
    localrule: True
