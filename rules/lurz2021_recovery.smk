# Lurz et al. 2021 on simulated animals, where the answers are known.


lurz_recovery = lurz["recovery"]


rule recover_lurz2021:
    input:
        truth=f"data/raw/{source_of(lurz['recovery_dataset'])}/truth.npz",
        positions=[
            file
            for place in lurz_recovery["readouts"].values()
            for file in lurz_files(place["dataset"], [place["model"]], "readout_positions.csv")
        ],
        populations=lurz_files(lurz["recovery_dataset"], lurz_recovery["scored"].values()),
        code=code("recover_lurz2021"),
    output:
        recovery="results/lurz2021/planted_and_recovered.csv",
    log:
        "logs/recover_lurz2021.log",
    benchmark:
        "logs/benchmarks/recover_lurz2021.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        readouts=as_json(lurz_recovery["readouts"]),
        scored=as_json(lurz_recovery["scored"]),
        options=as_json(
            fields_of(lurz_recovery, "n_permutations", "seed")
            | fields_of(lurz_judged, "score")
            | {"downsampling": lurz_downsampling(lurz["recovery_dataset"])}
        ),
    shell:
        command("recover_lurz2021")


rule lurz2021_recovery:
    input:
        recovery=rules.recover_lurz2021.output.recovery,
        code=code("figures.lurz2021_recovery"),
    output:
        figure=lurz_report("recovery", "recovery.png", figure="planted and recovered"),
        pdf="results/lurz2021/recovery.pdf",
        table="results/lurz2021/recovery.csv",
    log:
        "logs/lurz2021_recovery.log",
    benchmark:
        "logs/benchmarks/lurz2021_recovery.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        positions=as_json(lurz_recovery["positions"]),
        maps=as_json(lurz_recovery["maps"]),
    shell:
        command("figures.lurz2021_recovery")


lurz_results += [rules.recover_lurz2021.output, rules.lurz2021_recovery.output]
