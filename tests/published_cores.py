"""Cores in the names of the published file of Lurz et al. 2021."""

from v1lib.core_weights import PARTS, PREFIX


def to_published(state):
    """The reverse of ``from_published``: state dictionary of a core -> that of a published file."""
    names = {ours: published for published, ours in PARTS.items()}
    published = {}
    for name, value in state.items():
        _, number, part = name.split(".", 2)
        published[f"{PREFIX}features.layer{number}.{names[part]}"] = value
    return published
