# Table C5 of Lurz et al. 2021: parameters of the readouts, counted from the models as they are built.


# Settings of the readouts that are counted: written out, or those of a model.
lurz_counted_readouts = {
    name: config["models"][readout]["params"]["readout"] if isinstance(readout, str) else readout
    for name, readout in lurz["readout_parameters"]["readouts"].items()
}


rule count_readout_parameters:
    input:
        recording=f"data/processed/{lurz['dataset']}",
        code=code("count_readout_parameters", "models/lurz2021"),
    output:
        counts="results/lurz2021/readout_counts.csv",
    log:
        "logs/count_readout_parameters.log",
    benchmark:
        "logs/benchmarks/count_readout_parameters.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        model=as_json(
            fields_of(config["models"][lurz["readout_parameters"]["model"]], "build", "params")
        ),
        readouts=as_json(lurz_counted_readouts),
    shell:
        command("count_readout_parameters")


rule lurz2021_readout_parameters:
    input:
        counts="results/lurz2021/readout_counts.csv",
        published=beside("report/published_values.csv"),
        code=code("tables.lurz2021_readout_parameters"),
    output:
        table=lurz_report("readout_parameters", "readout_parameters.csv", table="parameters"),
        markdown="results/lurz2021/readout_parameters.md",
    log:
        "logs/lurz2021_readout_parameters.log",
    benchmark:
        "logs/benchmarks/lurz2021_readout_parameters.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        command("tables.lurz2021_readout_parameters")


lurz_results += [rules.lurz2021_readout_parameters.output]
