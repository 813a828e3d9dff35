# From raw files, downloaded or simulated, to recordings in the common form.


rule download:
    input:
        code=code("download"),
    output:
        file="data/raw/{source}/{file}",
    log:
        "logs/download/{source}/{file}.log",
    benchmark:
        "logs/benchmarks/download/{source}/{file}.tsv"
    wildcard_constraints:
        source=sources_with_files(),
        file=files_of_sources(),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=500,
        runtime=240,
    params:
        source=source_file,
        mirrors=as_json(config["mirrors"]),
    shell:
        command("download")


rule simulate_kindel2019:
    input:
        code=code("simulate_kindel2019"),
    output:
        archive="data/raw/{source}/data.tar.gz",
        truth="data/raw/{source}/truth.npz",
    log:
        "logs/simulate_kindel2019/{source}.log",
    benchmark:
        "logs/benchmarks/simulate_kindel2019/{source}.tsv"
    wildcard_constraints:
        source=names_of("sources", kind="simulated", generator="kindel2019"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        settings=lambda wildcards: as_json(config["sources"][wildcards.source]["settings"]),
    shell:
        command("simulate_kindel2019")


rule preprocess_kindel2019:
    input:
        archive=raw("data.tar.gz"),
        code=code("preprocess_kindel2019"),
    output:
        recording="data/processed/{dataset}.npz",
    log:
        "logs/preprocess_kindel2019/{dataset}.log",
    benchmark:
        "logs/benchmarks/preprocess_kindel2019/{dataset}.tsv"
    wildcard_constraints:
        dataset=names_of("datasets", preprocess="kindel2019"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        source_kind=source_kind_of,
        dataset=lambda wildcards: wildcards.dataset,
        settings=lambda wildcards: as_json(dataset_entry(wildcards)["settings"]),
    shell:
        command("preprocess_kindel2019")


rule simulate_cadena2019:
    input:
        code=code("simulate_cadena2019"),
    output:
        archive="data/raw/{source}/cadena2019.zip",
        truth="data/raw/{source}/truth.npz",
    log:
        "logs/simulate_cadena2019/{source}.log",
    benchmark:
        "logs/benchmarks/simulate_cadena2019/{source}.tsv"
    wildcard_constraints:
        source=names_of("sources", kind="simulated", generator="cadena2019"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 5000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        settings=lambda wildcards: as_json(config["sources"][wildcards.source]["settings"]),
    shell:
        command("simulate_cadena2019")


rule preprocess_cadena2019:
    input:
        archive=raw("cadena2019.zip"),
        code=code("preprocess_cadena2019"),
    output:
        recording="data/processed/{dataset}.npz",
    log:
        "logs/preprocess_cadena2019/{dataset}.log",
    benchmark:
        "logs/benchmarks/preprocess_cadena2019/{dataset}.tsv"
    wildcard_constraints:
        dataset=names_of("datasets", preprocess="cadena2019"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 5000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        source_kind=source_kind_of,
        dataset=lambda wildcards: wildcards.dataset,
        settings=lambda wildcards: as_json(dataset_entry(wildcards)["settings"]),
    shell:
        command("preprocess_cadena2019")


rule simulate_lurz2020:
    input:
        code=code("simulate_lurz2020"),
    output:
        archive="data/raw/{source}/lurz2020.zip",
        truth="data/raw/{source}/truth.npz",
    log:
        "logs/simulate_lurz2020/{source}.log",
    benchmark:
        "logs/benchmarks/simulate_lurz2020/{source}.tsv"
    wildcard_constraints:
        source=names_of("sources", kind="simulated", generator="lurz2020"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        settings=lambda wildcards: as_json(config["sources"][wildcards.source]["settings"]),
    shell:
        command("simulate_lurz2020")


rule preprocess_lurz2020:
    input:
        archives=raw_archives("lurz2020.zip"),
        code=code("preprocess_lurz2020"),
    output:
        scans=directory("data/processed/{dataset}"),
    log:
        "logs/preprocess_lurz2020/{dataset}.log",
    benchmark:
        "logs/benchmarks/preprocess_lurz2020/{dataset}.tsv"
    wildcard_constraints:
        dataset=names_of("datasets", preprocess="lurz2020"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        source_kind=source_kind_of,
        dataset=lambda wildcards: wildcards.dataset,
        settings=lambda wildcards: as_json(dataset_entry(wildcards)["settings"]),
    shell:
        command("preprocess_lurz2020")


rule simulate_objects:
    input:
        code=code("simulate_objects"),
    output:
        archive="data/raw/{source}/tiny-imagenet-200.zip",
        truth="data/raw/{source}/truth.npz",
    log:
        "logs/simulate_objects/{source}.log",
    benchmark:
        "logs/benchmarks/simulate_objects/{source}.tsv"
    wildcard_constraints:
        source=names_of("sources", kind="simulated", generator="objects"),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        settings=lambda wildcards: as_json(config["sources"][wildcards.source]["settings"]),
    shell:
        command("simulate_objects")


rule preprocess_images:
    input:
        archives=archives_of_images,
        code=code("preprocess_images"),
    output:
        images=directory("data/processed/{dataset}"),
    log:
        "logs/preprocess_images/{dataset}.log",
    benchmark:
        "logs/benchmarks/preprocess_images/{dataset}.tsv"
    wildcard_constraints:
        dataset=names_of("datasets", preprocess="images"),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 5000 * attempt,
        runtime=lambda wildcards, attempt: 300 * attempt,
    params:
        source_kind=source_kind_of,
        dataset=lambda wildcards: wildcards.dataset,
        settings=lambda wildcards: as_json(dataset_entry(wildcards)["settings"]),
    shell:
        command("preprocess_images")


rule corrupt_images:
    input:
        clean=images_to_corrupt,
        code=code("corrupt_images"),
    output:
        images=directory("data/processed/{dataset}"),
    log:
        "logs/corrupt_images/{dataset}.log",
    benchmark:
        "logs/benchmarks/corrupt_images/{dataset}.tsv"
    wildcard_constraints:
        dataset=names_of("datasets", preprocess="corruptions"),
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        dataset=lambda wildcards: wildcards.dataset,
        settings=lambda wildcards: as_json(
            {
                key: value
                for key, value in dataset_entry(wildcards)["settings"].items()
                if key != "of"
            }
        ),
    shell:
        command("corrupt_images")
