# Classifiers: how often they are right, and what the components in their first stage have learned.
OF_LABELS = "|".join(
    name
    for name, entry in config["datasets"].items()
    if entry["preprocess"] in ("images", "corruptions")
)


def corrupted_of(wildcards):
    """Input function: corrupted images of the classes that a model knows (often none).

    Where robustness is tested on fine-tuned networks, these are the classes they were tuned to.
    """
    paper = config["papers"][paper_of(wildcards.model)]
    if "corrupted" not in paper:
        return []
    finetuned = set(paper["finetuned"].values())
    tested = [run["dataset"] for run in paper["runs"].values() if finetuned & set(run["models"])]
    if wildcards.dataset not in (tested or [paper["dataset"]]):
        return []
    refuse_if_left_out(source_of(paper["corrupted"]))
    return f"data/processed/{paper['corrupted']}"


rule score_classifier:
    input:
        images=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        corrupted=corrupted_of,
        code=model_code("score_classifier"),
    output:
        accuracies="results/{dataset}/{model}/accuracies.csv",
    log:
        "logs/score_classifier/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/score_classifier/{dataset}/{model}.tsv"
    wildcard_constraints:
        dataset=OF_LABELS,
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        device=config["compute"]["device"],
    shell:
        command("score_classifier")


rule export_components:
    input:
        images=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        code=model_code("export_components"),
    output:
        components="results/{dataset}/{model}/components.csv",
    log:
        "logs/export_components/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/export_components/{dataset}/{model}.tsv"
    wildcard_constraints:
        dataset=OF_LABELS,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        model=model_entry,
    shell:
        command("export_components")


rule activating_images:
    input:
        images=recording_of,
        checkpoints=of_blocks("checkpoint.pt"),
        code=model_code("activating_images"),
    output:
        activating="results/{dataset}/{model}/activating_images.npz",
    log:
        "logs/activating_images/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/activating_images/{dataset}/{model}.tsv"
    wildcard_constraints:
        dataset=OF_LABELS,
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]
    resources:
        gpu=config["compute"]["gpu"],
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        name=lambda wildcards: wildcards.model,
        settings=experiment("activating_images"),
        device=config["compute"]["device"],
    shell:
        command("activating_images")
