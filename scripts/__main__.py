"""Run one step of the workflow: ``python scripts STEP --option value …``.

``python scripts STEP --option value … -- --option value …`` runs it several times, one after the
other: loading libraries takes seconds. ``python scripts`` lists the steps, ``python scripts STEP
--help`` explains one.
"""

import gc
import importlib
import sys
from pathlib import Path

from v1lib.steps import call, set_up_logging

SCRIPTS = Path(__file__).parent
END = "--"  # between the options of two calls


def steps() -> list[str]:
    """Names of all steps, as given on the command line."""
    files = [*SCRIPTS.glob("*.py"), *SCRIPTS.glob("figures/*.py"), *SCRIPTS.glob("tables/*.py")]
    names = [".".join(file.relative_to(SCRIPTS).with_suffix("").parts) for file in files]
    return sorted(name for name in names if not name.split(".")[-1].startswith("__"))


def run(arguments: list[str]) -> int:
    """Run the step named first with each set of options that follows; the exit status."""
    if not arguments or arguments[0] not in steps():
        asked = f"no step is called {arguments[0]!r}; " if arguments else ""
        print(f"{asked}steps:\n  " + "\n  ".join(steps()), file=sys.stderr)
        return 2
    name, *options = arguments
    set_up_logging()
    # What libraries make while they load stays: looking for garbage there is a sixth of the start.
    gc.disable()
    step = importlib.import_module(name)
    gc.freeze()
    gc.enable()
    calls = [[]]
    for word in options:
        if word == END:
            calls.append([])
        else:
            calls[-1].append(word)
    for words in calls:
        call(step.main, words, name)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
