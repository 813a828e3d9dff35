# What the rules of V1 alignment share; no rules here.
V1 = config["evaluation"]["v1"]


def v1_recording(wildcards):
    """Input function: the recording that a model of neurons was trained on; none of a classifier."""
    holds_labels = config["datasets"][wildcards.dataset]["preprocess"] == "images"
    return [] if holds_labels else recording_of(wildcards)


def v1_textures():
    """Pictures of textures, where a user has them."""
    return [V1["textures"]] if V1["textures"] else []


def v1_measured():
    """Distributions of a user's own beside those of the publications."""
    return [V1["measured"]] if V1["measured"] else []


def v1_cells():
    """Settings of cells whose tuning is known, as a subject."""
    own = V1["cells"]
    return as_json({"kind": "cells", "screen": V1["screen"]} | own)
