# Figures, tables and claims of Kindel, Christensen & Zylberberg 2019 (J. Vision 19(4):29).
#
# From scores, histories and run records on: nothing here trains or loads a network. A model that
# needs a source which is switched off is left out of every figure and table.


include: "kindel2019_inputs.smk"


rule kindel2019_neurons:
    input:
        scores=lambda wildcards: kindel_scores(wildcards.dataset, kindel_models(wildcards.dataset)),
        code=code("tables.kindel2019_neurons"),
    output:
        neurons="results/kindel2019/neurons_{dataset}.csv",
    log:
        "logs/kindel2019_neurons/{dataset}.log",
    benchmark:
        "logs/benchmarks/kindel2019_neurons/{dataset}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        response_window_s=kindel["response_window_s"],
        undefined_correlation=kindel["undefined_correlation"],
    shell:
        command("tables.kindel2019_neurons")


rule kindel2019_k1_training:
    input:
        histories=block_files(kindel["dataset"], kindel_cnn, "history.csv"),
        runs=block_files(kindel["dataset"], kindel_cnn, "run.json"),
        scores=f"results/{kindel['dataset']}/{kindel_cnn}/scores.csv",
        code=code("figures.kindel2019_k1_training"),
    output:
        figures=kindel_seed_figures("k1_training", "K1 training"),
        pdfs=kindel_seed_files("k1_training", "pdf"),
        tables=kindel_seed_files("k1_training", "csv"),
    log:
        "logs/kindel2019_k1_training/{session}.log",
    benchmark:
        "logs/benchmarks/kindel2019_k1_training/{session}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        session=lambda wildcards: wildcards.session,
        seeds=as_json(kindel_seeds),
    shell:
        command("figures.kindel2019_k1_training")


rule kindel2019_k2_pearson_bars:
    input:
        scores=f"results/{kindel['dataset']}/{kindel_cnn}/scores.csv",
        code=code("figures.kindel2019_k2_pearson_bars"),
    output:
        figures=kindel_seed_figures("k2_pearson_bars", "K2 r of every cell"),
        pdfs=kindel_seed_files("k2_pearson_bars", "pdf"),
        tables=kindel_seed_files("k2_pearson_bars", "csv"),
    log:
        "logs/kindel2019_k2_pearson_bars/{session}.log",
    benchmark:
        "logs/benchmarks/kindel2019_k2_pearson_bars/{session}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        session=lambda wildcards: wildcards.session,
        seeds=as_json(kindel_seeds),
    shell:
        command("figures.kindel2019_k2_pearson_bars")


rule kindel2019_k3_example_neurons:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        predictions=block_files(kindel["dataset"], kindel_cnn, "predictions.npz"),
        recording=f"data/processed/{kindel['dataset']}.npz",
        code=code("figures.kindel2019_k3_example_neurons"),
    output:
        figure=kindel_report(
            "k3_example_neurons", "k3_example_neurons.png", figure="K3 example neurons"
        ),
        pdf="results/kindel2019/k3_example_neurons.pdf",
        table="results/kindel2019/k3_example_neurons.csv",
    log:
        "logs/kindel2019_k3_example_neurons.log",
    benchmark:
        "logs/benchmarks/kindel2019_k3_example_neurons.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=kindel_cnn,
        sessions=kindel_population,
        percentiles=as_json(kindel_judged["example_percentiles"]),
        response_window_s=kindel["response_window_s"],
    shell:
        command("figures.kindel2019_k3_example_neurons")


rule kindel2019_k4_population:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        code=code("figures.kindel2019_k4_population"),
    output:
        figure=kindel_report("k4_population", "k4_population.png", figure="K4 population"),
        pdf="results/kindel2019/k4_population.pdf",
        table="results/kindel2019/k4_population.csv",
    log:
        "logs/kindel2019_k4_population.log",
    benchmark:
        "logs/benchmarks/kindel2019_k4_population.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=kindel_cnn,
        sessions=kindel_population,
        bin_width=kindel_judged["bin_width"],
    shell:
        command("figures.kindel2019_k4_population")


rule kindel2019_k5_activity:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        code=code("figures.kindel2019_k5_activity"),
    output:
        figure=kindel_report("k5_activity", "k5_activity.png", figure="K5 activity"),
        pdf="results/kindel2019/k5_activity.pdf",
        table="results/kindel2019/k5_activity.csv",
    log:
        "logs/kindel2019_k5_activity.log",
    benchmark:
        "logs/benchmarks/kindel2019_k5_activity.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=kindel_cnn,
        sessions=kindel_population,
        active_rate_hz=kindel["active_rate_hz"],
        response_window_s=kindel["response_window_s"],
        running_median_neurons=kindel_judged["running_median_neurons"],
    shell:
        command("figures.kindel2019_k5_activity")


rule kindel2019_k6_sessions:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        code=code("figures.kindel2019_k6_sessions"),
    output:
        figure=kindel_report("k6_sessions", "k6_sessions.png", figure="K6 sessions"),
        pdf="results/kindel2019/k6_sessions.pdf",
        table="results/kindel2019/k6_sessions.csv",
    log:
        "logs/kindel2019_k6_sessions.log",
    benchmark:
        "logs/benchmarks/kindel2019_k6_sessions.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(kindel_compared),
        sessions=as_json(kindel_sessions),
    shell:
        command("figures.kindel2019_k6_sessions")


rule kindel2019_k7_models:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        steps="results/kindel2019/k9_selected_step.csv",
        code=code("figures.kindel2019_k7_models"),
    output:
        figure=kindel_report("k7_models", "k7_models.png", figure="K7 models"),
        pdf="results/kindel2019/k7_models.pdf",
        table="results/kindel2019/k7_models.csv",
    log:
        "logs/kindel2019_k7_models.log",
    benchmark:
        "logs/benchmarks/kindel2019_k7_models.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(kindel_compared),
        reference=kindel_cnn,
        sessions=kindel_population,
        bootstrap_seed=kindel_judged["bootstrap_seed"],
    shell:
        command("figures.kindel2019_k7_models")


rule kindel2019_k8_search:
    input:
        scores=kindel_scores(kindel["search_dataset"], kindel_searches),
        runs=kindel_runs(kindel["search_dataset"], kindel_searches),
        code=code("figures.kindel2019_k8_search"),
    output:
        figure=kindel_report("k8_search", "k8_search.png", figure="K8 search"),
        pdf="results/kindel2019/k8_search.pdf",
        table="results/kindel2019/k8_search.csv",
    log:
        "logs/kindel2019_k8_search.log",
    benchmark:
        "logs/benchmarks/kindel2019_k8_search.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(kindel_searches),
        factor_labels=as_json(kindel_factors),
        pooled_models=as_json([model for model in kindel_searches if "gabor" in model]),
    shell:
        command("figures.kindel2019_k8_search")


rule kindel2019_k9_selected_step:
    input:
        runs=kindel_runs(kindel["dataset"], kindel_trained),
        code=code("figures.kindel2019_k9_selected_step"),
    output:
        figure=kindel_report("k9_selected_step", "k9_selected_step.png", figure="K9 selected step"),
        pdf="results/kindel2019/k9_selected_step.pdf",
        table="results/kindel2019/k9_selected_step.csv",
    log:
        "logs/kindel2019_k9_selected_step.log",
    benchmark:
        "logs/benchmarks/kindel2019_k9_selected_step.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(kindel_trained),
        sessions=as_json(kindel_sessions),
        late_fraction=kindel_judged["late_fraction"],
    shell:
        command("figures.kindel2019_k9_selected_step")


rule kindel2019_k10_preferred_images:
    input:
        preferred_images=f"results/{kindel['dataset']}/{kindel_cnn}/preferred_images.npz",
        code=code("figures.kindel2019_k10_preferred_images"),
    output:
        figure=kindel_report(
            "k10_preferred_images", "k10_preferred_images.png", figure="K10 preferred images"
        ),
        pdf="results/kindel2019/k10_preferred_images.pdf",
        table="results/kindel2019/k10_preferred_images.csv",
    log:
        "logs/kindel2019_k10_preferred_images.log",
    benchmark:
        "logs/benchmarks/kindel2019_k10_preferred_images.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=kindel_cnn,
        n_neurons=kindel_judged["shown_preferred_images"],
    shell:
        command("figures.kindel2019_k10_preferred_images")


rule kindel2019_k11_orientation:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['recovery_dataset']}.csv",
        orientation=f"results/{kindel['recovery_dataset']}/{kindel_cnn}/recovery.csv",
        code=code("figures.kindel2019_k11_orientation"),
    output:
        figure=kindel_report("k11_orientation", "k11_orientation.png", figure="K11 orientation"),
        pdf="results/kindel2019/k11_orientation.pdf",
        table="results/kindel2019/k11_orientation.csv",
    log:
        "logs/kindel2019_k11_orientation.log",
    benchmark:
        "logs/benchmarks/kindel2019_k11_orientation.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=kindel_cnn,
        sessions=as_json(kindel_recovered),
        selective_from=kindel_judged["selective_from"],
    shell:
        command("figures.kindel2019_k11_orientation")


rule kindel2019_k12_ceiling:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        code=code("figures.kindel2019_k12_ceiling"),
    output:
        figure=kindel_report("k12_ceiling", "k12_ceiling.png", figure="K12 ceiling"),
        pdf="results/kindel2019/k12_ceiling.pdf",
        table="results/kindel2019/k12_ceiling.csv",
    log:
        "logs/kindel2019_k12_ceiling.log",
    benchmark:
        "logs/benchmarks/kindel2019_k12_ceiling.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=kindel_cnn,
        sessions=kindel_population,
        near_ceiling=kindel["near_ceiling"],
    shell:
        command("figures.kindel2019_k12_ceiling")


rule kindel2019_recovery:
    input:
        recovery=f"results/{kindel['recovery_dataset']}/{kindel_cnn}/recovery.csv",
        code=code("figures.kindel2019_recovery"),
    output:
        figure=kindel_report("recovery", "recovery.png", figure="recovery of what was planted"),
        pdf="results/kindel2019/recovery.pdf",
        table="results/kindel2019/recovery.csv",
    log:
        "logs/kindel2019_recovery.log",
    benchmark:
        "logs/benchmarks/kindel2019_recovery.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        command("figures.kindel2019_recovery")


rule kindel2019_kt1_sessions:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        runs=kindel_runs(kindel["dataset"], kindel_models(kindel["dataset"])),
        code=code("tables.kindel2019_kt1_sessions"),
    output:
        table=kindel_report("kt1_sessions", "kt1_sessions.csv", table="KT1 sessions"),
        markdown="results/kindel2019/kt1_sessions.md",
    log:
        "logs/kindel2019_kt1_sessions.log",
    benchmark:
        "logs/benchmarks/kindel2019_kt1_sessions.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(kindel_models(kindel["dataset"])),
        sessions=as_json(kindel_sessions),
    shell:
        command("tables.kindel2019_kt1_sessions")


rule kindel2019_kt2_overall:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        code=code("tables.kindel2019_kt2_overall"),
    output:
        table=kindel_report("kt2_overall", "kt2_overall.csv", table="KT2 overall"),
        markdown="results/kindel2019/kt2_overall.md",
    log:
        "logs/kindel2019_kt2_overall.log",
    benchmark:
        "logs/benchmarks/kindel2019_kt2_overall.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        models=as_json(kindel_models(kindel["dataset"])),
        populations=as_json(
            {
                "population": kindel["population_sessions"],
                "all sessions": kindel_sessions,
            }
        ),
        active_rate_hz=kindel["active_rate_hz"],
        response_window_s=kindel["response_window_s"],
    shell:
        command("tables.kindel2019_kt2_overall")


rule kindel2019_kt3_published:
    input:
        published=beside("report/published_values.csv"),
        measured="results/kindel2019/measured.csv",
        code=code("tables.published_of_paper"),
    output:
        table=kindel_report("kt3_published", "kt3_published.csv", table="KT3 published beside ours"),
        markdown="results/kindel2019/kt3_published.md",
    log:
        "logs/kindel2019_kt3_published.log",
    benchmark:
        "logs/benchmarks/kindel2019_kt3_published.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        paper="kindel2019",
    shell:
        command("tables.published_of_paper")


rule kindel2019_measured:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        scores=kindel_measured(kindel_scores),
        runs=kindel_measured(kindel_runs),
        predictions=block_files(kindel["dataset"], kindel_cnn, "predictions.npz")[0],
        recording=f"data/processed/{kindel['dataset']}.npz",
        code=code("tables.kindel2019_measured"),
    output:
        measured="results/kindel2019/measured.csv",
    log:
        "logs/kindel2019_measured.log",
    benchmark:
        "logs/benchmarks/kindel2019_measured.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        roles=as_json(kindel_roles | {"vgg": kindel_vgg}),
        sessions=kindel_population,
        active_rate_hz=kindel["active_rate_hz"],
        near_ceiling=kindel["near_ceiling"],
    shell:
        command("tables.kindel2019_measured")


rule kindel2019_claims:
    input:
        neurons=f"results/kindel2019/neurons_{kindel['dataset']}.csv",
        orientation="results/kindel2019/k11_orientation.csv",
        preferred_images=f"results/{kindel['dataset']}/{kindel_cnn}/preferred_images.npz",
        published=beside("report/published_values.csv"),
        code=code("tables.kindel2019_claims"),
    output:
        claims=kindel_report("claims", "claims.csv", table="claims and verdicts"),
    log:
        "logs/kindel2019_claims.log",
    benchmark:
        "logs/benchmarks/kindel2019_claims.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=kindel_cnn,
        benchmarks=as_json(kindel_compared[1:]),
        sessions=kindel_population,
        thresholds=as_json(
            {
                "high_correlation": kindel_judged["high_correlation"],
                "active_rate_hz": kindel["active_rate_hz"],
                "near_ceiling": kindel["near_ceiling"],
            }
        ),
        bootstrap_seed=kindel_judged["bootstrap_seed"],
    shell:
        command("tables.kindel2019_claims")


rule export_kindel2019:
    input:
        checkpoints=block_files(kindel["dataset"], kindel_cnn, "checkpoint.pt"),
        histories=block_files(kindel["dataset"], kindel_cnn, "history.csv"),
        records=block_files(kindel["dataset"], kindel_cnn, "run.json"),
        scores=f"results/{kindel['dataset']}/{kindel_cnn}/scores.csv",
        code=code("export_kindel2019"),
    output:
        exported=kindel_exported(),
    log:
        "logs/export_kindel2019.log",
    benchmark:
        "logs/benchmarks/export_kindel2019.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=15,
    shell:
        command("export_kindel2019")


rule kindel2019:
    input:
        collect(
            "results/kindel2019/{item}/session{session}_seed{seed}.png",
            item=["k1_training", "k2_pearson_bars"],
            session=kindel_sessions,
            seed=kindel_seeds,
        ),
        rules.kindel2019_k3_example_neurons.output,
        rules.kindel2019_k4_population.output,
        rules.kindel2019_k5_activity.output,
        rules.kindel2019_k6_sessions.output,
        rules.kindel2019_k7_models.output,
        rules.kindel2019_k8_search.output,
        rules.kindel2019_k9_selected_step.output,
        rules.kindel2019_k10_preferred_images.output,
        rules.kindel2019_k11_orientation.output,
        rules.kindel2019_k12_ceiling.output,
        rules.kindel2019_recovery.output,
        rules.kindel2019_kt1_sessions.output,
        rules.kindel2019_kt2_overall.output,
        rules.kindel2019_kt3_published.output,
        rules.kindel2019_measured.output,
        rules.kindel2019_claims.output,
        kindel_exported(),
    localrule: True
