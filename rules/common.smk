# Helpers that all rules share; no rules here.
#
# A step is a module of scripts/ with a function main. Its signature says which options are inputs,
# outputs or parameters, so `command(step)` writes the shell line and `code(step)` lists the files
# that decide the result. Parameters travel as JSON: wrap lists, dicts and booleans in `as_json`.
import json
import shlex
from functools import cache, partial

HERE = os.path.relpath(workflow.basedir)
ENVIRONMENT = "../envs/v1.yaml"

# A step runs in the interpreter that runs Snakemake, also when that was called by its path.
os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]))

PLACES = {
    "Input": "input",
    "Inputs": "input",
    "Output": "output",
    "Outputs": "output",
    "Threads": None,
    "Gpu": None,
}


def beside(path):
    """A file of this repository, as seen from the working directory."""
    return os.path.normpath(os.path.join(HERE, path))


def step_file(step):
    return BASE / "scripts" / f"{step.replace('.', '/')}.py"


@cache
def syntax_of(path):
    return ast.parse(path.read_text(), str(path))


def options_of(step):
    """Names and kinds of the options of a step, read off the signature of its main function."""
    main = next(
        node
        for node in syntax_of(step_file(step)).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    )
    return {option.arg: ast.unparse(option.annotation) for option in main.args.kwonlyargs}


def command(step):
    """The shell line of a step."""
    words = ["python", beside("scripts"), step]
    for name, kind in options_of(step).items():
        place = PLACES.get(kind, "params")
        value = f"{{{place}.{name}:q}}" if place else "{threads}"
        if kind == "Gpu":
            value = "{resources.gpu}"
        words += [f"--{name.replace('_', '-')}", value]
    return " ".join([*words, "> {log} 2>&1"])


def command_of_calls(step):
    """The shell line that runs a step several times, with `params.calls` of `as_calls`."""
    run = f"python {beside('scripts')} {step} {{params.calls}} > {{log}} 2>&1"
    return f"threads={{threads}} gpu={{resources.gpu}}; {run}"


def as_calls(step, calls):
    """The options of several calls of a step as words of a shell line.

    Each call has values by name; threads and GPUs, which decide no result, are left to the line.
    """
    texts = []
    for values in calls:
        words = []
        for name, kind in options_of(step).items():
            words.append(f"--{name.replace('_', '-')}")
            if kind in ("Threads", "Gpu"):
                words.append(f"${name}")
            else:
                found = values[name] if isinstance(values[name], list) else [values[name]]
                words += [shlex.quote(str(value)) for value in found]
        texts.append(" ".join(words))
    return " -- ".join(texts)


@cache
def imported_files(path):
    """Files of v1lib that a file imports itself, with the packages they stand in."""
    names = set()
    for node in ast.walk(syntax_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = set()
    for name in names:
        parts = name.split(".")
        if parts[0] != "v1lib":
            continue
        for depth in range(1, len(parts) + 1):
            place = BASE.joinpath("scripts", *parts[:depth])
            files |= {f for f in (place.with_suffix(".py"), place / "__init__.py") if f.is_file()}
    return files


def code(step, *more):
    """The script of a step and all of v1lib that it imports, directly or not; `more` are modules
    of v1lib that the configuration adds, such as "models/kindel2019"."""
    waiting = [
        step_file(step),
        *(BASE / "scripts" / "v1lib" / f"{module}.py" for module in more),
    ]
    files = set()
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += imported_files(path)
    return sorted(beside(file.relative_to(BASE)) for file in files)


def model_module(model):
    """The module of v1lib that builds a model."""
    file = config["models"][model]["build"].split(".")[0]
    return f"models/{file}"


def model_code(step):
    """Input function: the code of a step that builds models, with the modules of those models."""
    return lambda wildcards: code(step, *map(model_module, models_of(wildcards)))


def model_entry(wildcards):
    """What decides a model: exactly its own entry, so a change reruns that model and no other."""
    return as_json(what_decides(wildcards.model))


def model_entries(wildcards):
    """The same of all models of a job, by name."""
    return as_json({model: what_decides(model) for model in models_of(wildcards)})


def what_decides(model):
    return fields_of(
        config["models"][model],
        *("build", "params", "training", "search", "core", "tuned_by", "known_penalties"),
    )


def training_resource(name, usual):
    """What a training asks for in each attempt: what its model's entry says, or the usual."""
    return lambda wildcards, attempt: resource_of(wildcards.model, name, usual) * attempt


def resource_of(model, name, usual):
    return config["models"][model].get("resources", {}).get(name, usual)


def weights_of_model(wildcards):
    """Input function: weight files that models need beside the recording (often none)."""
    entries = [config["models"][model] for model in models_of(wildcards)]
    refuse_if_left_out(*(source for entry in entries for source in entry.get("requires", [])))
    sources = [
        source
        for entry in entries
        if entry["method"] != "published"  # converted once, its checkpoints have the weights
        for source in entry.get("requires", [])
    ]
    return [
        f"data/raw/{source}/{file}"
        for source in dict.fromkeys(sources)
        for file in config["sources"][source]["files"]
    ]


def published_archive(wildcards):
    """Input function: the archive with the weights of a published model."""
    entry = config["models"][wildcards.model]
    refuse_if_left_out(*entry["requires"])
    return archives_of(config, entry)


def published_entry(wildcards):
    """What decides a published model: how it was trained is the authors' business."""
    entry = config["models"][wildcards.model]
    training = fields_of(entry["training"], "split")
    return as_json(fields_of(entry, "build", "params") | {"training": training})


def as_json(value):
    """Canonical text of a parameter: equal values give equal text."""
    return json.dumps(value, sort_keys=True)


def fields_of(entry, *names):
    return {name: entry[name] for name in names if name in entry}


# ---- what may run ---------------------------------------------------------------------------


def reason_to_leave_out(source):
    """Why a source cannot be used with this configuration, or None."""
    entry = config["sources"][source]
    if not entry.get("use", True):
        return (
            f"source {source} is switched off ({entry['terms']}); "
            f"sources.{source}.use: true includes it. Please cite: {entry['citation']}"
        )
    return None


def sources_of_model(model):
    """Sources that a model needs, those behind its core and its penalties among them."""
    entry = config["models"][model]
    sources = set(entry.get("requires", []))
    for other in (entry.get("core"), entry.get("tuned_by")):
        if other and "source" in other:
            sources.add(other["source"])
        elif other:
            sources |= {source_of(other["dataset"]), *sources_of_model(other["model"])}
    return sorted(sources)


def model_is_available(model):
    return not any(map(reason_to_leave_out, sources_of_model(model)))


def source_of(dataset):
    return config["datasets"][dataset]["source"]


def refuse_if_left_out(*sources):
    """Stop with the terms when something is asked for by name that needs an unused source."""
    for source in sources:
        if reason := reason_to_leave_out(source):
            raise WorkflowError(reason)


def run_is_available(run):
    """Whether the recordings of an entry of papers.<paper>.runs may be used."""
    return not reason_to_leave_out(source_of(run["dataset"]))


def say_what_is_left_out():
    """One line for each source that may not be used, with all that needs it."""
    needing = {}
    for paper, entry in config["papers"].items():
        if reason_to_leave_out(source_of(entry["dataset"])):
            needing.setdefault(source_of(entry["dataset"]), []).append(f"everything of {paper}")
        else:
            for name, run in entry["runs"].items():
                needing.setdefault(source_of(run["dataset"]), []).append(f"{paper}.runs.{name}")
    for model in config["models"]:
        for source in sources_of_model(model):
            needing.setdefault(source, []).append(model)
    for source, names in needing.items():
        if reason := reason_to_leave_out(source):
            logger.info(f"left out: {', '.join(names)}, because {reason}")


# Papers whose recordings may be used: the others are left out of what is made unasked.
available_papers = [
    paper
    for paper, entry in config["papers"].items()
    if not reason_to_leave_out(source_of(entry["dataset"]))
]


# ---- runs -----------------------------------------------------------------------------------


def blocks_of(model, n_seeds):
    """Blocks of seeds; more seeds later add blocks and change none."""
    size = seeds_per_job(config, model)
    return [f"seeds{first}-{first + size - 1}" for first in range(0, n_seeds, size)]


def seeds_in(block):
    first, last = block.removeprefix("seeds").split("-")
    return list(range(int(first), int(last) + 1))


def n_seeds(dataset, model):
    """The largest number of seeds that a paper asks of a model on a data set."""
    asked = [
        run["seeds"]
        for paper in config["papers"].values()
        for run in paper["runs"].values()
        if run["dataset"] == dataset and model in run["models"]
    ]
    if not asked:
        raise WorkflowError(
            f"no paper's runs train model {model} on data set {dataset}; add it to papers.<paper>.runs"
        )
    return max(asked)


def of_blocks(name):
    """Input function: a file of every block of a data set and model, or of several models."""
    return lambda wildcards: [
        file
        for model in models_of(wildcards)
        for file in block_files(wildcards.dataset, model, name)
    ]


def block_files(dataset, model, name):
    """A file of every block of a data set and model, such as checkpoint.pt."""
    return [
        f"results/{dataset}/{model}/{block}/{name}"
        for block in blocks_of(model, n_seeds(dataset, model))
    ]


# Training or evaluating a small network takes less time than starting a process for it. So those of
# a group in compute.together share one. Where networks are evaluated, the wildcard `networks` is the
# name of a model, or of a group; that is for data sets of scans and of images, since networks of one
# recording are scored by their predictions.


def models_of(wildcards):
    """Models of a job: one, or a group."""
    name = wildcards.networks if hasattr(wildcards, "networks") else wildcards.model
    return config["compute"]["together"].get(name, [name])


def evaluations(dataset, models, name):
    """Files of results of some models on a data set, each once: a group's models share theirs."""
    is_shared = is_of_scans(dataset) or is_of_images(dataset)
    shared = {
        model: group
        for group, members in (groups_on(dataset) if is_shared else {}).items()
        for model in members
    }
    found = [f"results/{dataset}/{shared.get(model, model)}/{name}" for model in models]
    return list(dict.fromkeys(found))


def groups_on(dataset):
    """Models by group, of the groups all of whose models runs train on a data set."""
    trained = {
        model
        for paper in config["papers"].values()
        for run in paper["runs"].values()
        if run["dataset"] == dataset
        for model in run["models"]
        if model_is_available(model)
    }
    groups = config["compute"]["together"]
    return {
        name: models for name, models in groups.items() if models and trained.issuperset(models)
    }


def paper_report(paper, item, file, **labels):
    """A result of a paper in the report, with the caption of its item."""
    return report(
        f"results/{paper}/{file}",
        caption=f"../report/{paper}_{item}.rst",
        category=config["papers"][paper]["title"],
        labels=labels,
    )


def models_of_paper(paper, dataset):
    """Models of a paper's runs on a data set that can be trained with this configuration."""
    models = [
        model
        for run in config["papers"][paper]["runs"].values()
        if run["dataset"] == dataset and run_is_available(run)
        for model in run["models"]
        if model_is_available(model)
    ]
    return list(dict.fromkeys(models))


def scores_of_paper(wildcards):
    """Input function: the scores of all runs of a paper that can be made."""
    files = [
        file
        for run in config["papers"][wildcards.paper]["runs"].values()
        if run_is_available(run)
        for file in evaluations(
            run["dataset"], filter(model_is_available, run["models"]), "scores.csv"
        )
    ]
    return list(dict.fromkeys(files))


def is_of_scans(dataset):
    """Whether a data set is a folder of scans, which may be larger than memory."""
    return config["datasets"][dataset]["preprocess"] == "lurz2020"


def is_of_images(dataset):
    """Whether a data set is a folder of labelled images, for classifiers."""
    return config["datasets"][dataset]["preprocess"] in ("images", "corruptions")


def datasets_where(holds):
    """Pattern of the data sets for whose names a function holds."""
    return "|".join(filter(holds, config["datasets"])) or "there_is_none"


def recording_of(wildcards):
    """Input function: the recording, or the folder of scans or labelled images, of a data set."""
    is_folder = is_of_scans(wildcards.dataset) or is_of_images(wildcards.dataset)
    end = "" if is_folder else ".npz"
    return f"data/processed/{wildcards.dataset}{end}"


def corrupted_of(wildcards):
    """Input function: corrupted images of the classes that models know (often none).

    Where robustness is tested on fine-tuned networks, these are the classes they were tuned to.
    """
    models = models_of(wildcards)
    needed = {model: corrupted_for(model, wildcards.dataset) for model in models}
    if len(set(needed.values())) > 1:
        raise WorkflowError(
            f"compute.together.{wildcards.networks}: {needed}; put models that are shown "
            "other corrupted images into another group"
        )
    corrupted = needed[models[0]]
    if corrupted is None:
        return []
    refuse_if_left_out(source_of(corrupted))
    return f"data/processed/{corrupted}"


def corrupted_for(model, dataset):
    """The corrupted images that a model trained on a data set is shown, or None."""
    paper = config["papers"][paper_of(model)]
    if "corrupted" not in paper:
        return None
    is_tuned = model in paper["finetuned"].values()
    if is_tuned != (paper["robustness_of"] == "finetuned"):
        return None
    if dataset != (tuned_to(model) if is_tuned else paper["dataset"]):
        return None
    return paper["corrupted"]


def tuned_to(model):
    """The data set that a fine-tuned network learned last: that of the run that trains it."""
    runs = config["papers"][paper_of(model)]["runs"].values()
    return next(run["dataset"] for run in runs if model in run["models"])


def cores_of_model(wildcards):
    """Input function: where a model takes its core from (often nowhere)."""
    core = config["models"][wildcards.model].get("core")
    if core is None:
        return []
    if "source" in core:
        refuse_if_left_out(core["source"])
        files = config["sources"][core["source"]]["files"]
        return [f"data/raw/{core['source']}/{file}" for file in files]
    return block_files(core["dataset"], core["model"], "checkpoint.pt")


def penalties_of_model(wildcards):
    """Input function: the penalties that a search has chosen for a model (often none)."""
    tuned = config["models"][wildcards.model].get("tuned_by")
    return f"results/{tuned['dataset']}/{tuned['model']}/chosen.json" if tuned else []


# ---- sources and data sets ------------------------------------------------------------------


def names_of(section, **wanted):
    """Pattern of the entries of a section of the configuration that have the given values."""
    names = [
        name
        for name, entry in config[section].items()
        if all(entry.get(key) == value for key, value in wanted.items())
    ]
    return "|".join(names) or "there_is_none"


def sources_with_files():
    """Pattern of the sources whose files are downloaded, or copied from a mirror folder."""
    return "|".join(name for name, entry in config["sources"].items() if "files" in entry)


def files_of_sources():
    """Pattern of the names of all files that can be downloaded or copied."""
    files = {file for entry in config["sources"].values() for file in entry.get("files", {})}
    return "|".join(re.escape(file) for file in sorted(files))


def source_file(wildcards):
    """The entry of one file of a source."""
    refuse_if_left_out(wildcards.source)
    source = config["sources"][wildcards.source]
    return as_json(source["files"][wildcards.file] | fields_of(source, "terms", "citation", "how"))


def dataset_entry(wildcards):
    return config["datasets"][wildcards.dataset]


def raw(file):
    """Input function: a file of the source of a data set."""

    def path(wildcards):
        source = source_of(wildcards.dataset)
        refuse_if_left_out(source)
        return f"data/raw/{source}/{file}"

    return path


def raw_archives(simulated):
    """Input function: all files of the official source of a data set, or the simulated one."""

    def paths(wildcards):
        source = source_of(wildcards.dataset)
        refuse_if_left_out(source)
        files = config["sources"][source].get("files", [simulated])
        return [f"data/raw/{source}/{file}" for file in files]

    return paths


def archives_of_images(wildcards):
    """Input function: all files of the source of a data set of images, or its unpacked copy."""
    source = source_of(wildcards.dataset)
    if folder := config["sources"][source].get("folder"):
        refuse_if_left_out(source)
        return [folder]
    return raw_archives("tiny-imagenet-200.zip")(wildcards)


def images_to_corrupt(wildcards):
    """Input function: the data set that another one is a corrupted form of."""
    entry = dataset_entry(wildcards)
    clean = entry["settings"]["of"]
    found = config["datasets"].get(clean, {})
    if (found.get("preprocess"), found.get("source")) != ("images", entry["source"]):
        raise WorkflowError(
            f"datasets.{wildcards.dataset}.settings.of: {clean!r} is no data set of images of "
            f"source {entry['source']}"
        )
    return f"data/processed/{clean}"


def kind_of_dataset(name):
    """real or simulated, as all that derives from the data set is called."""
    kind = config["sources"][source_of(name)]["kind"]
    return "simulated" if kind == "simulated" else "real"


def source_kind_of(wildcards):
    return kind_of_dataset(wildcards.dataset)


# ---- experiments ------------------------------------------------------------------------------


def paper_of(model):
    """The paper whose runs train a model."""
    for paper, entry in config["papers"].items():
        if any(model in run["models"] for run in entry["runs"].values()):
            return paper
    raise WorkflowError(f"no paper's runs train model {model}; add it to papers.<paper>.runs")


def experiment(group, *names):
    """Input function: the settings of an experiment by the model's paper, or some of them."""

    def settings(wildcards):
        paper = paper_of(wildcards.model)
        found = config["papers"][paper].get(group)
        if found is None:
            raise WorkflowError(f"papers.{paper} has no settings {group}: no such experiment there")
        return as_json(fields_of(found, *names) if names else found)

    return settings
