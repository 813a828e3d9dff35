"""State of an unfinished training, so that a killed job goes on where it was.

Two generations are kept: a crash while writing, or a damaged file, costs one interval at most.
"""

import hashlib
import json
import logging
from pathlib import Path

import torch

from v1lib.files import atomic

log = logging.getLogger(__name__)


class ResumeFile:
    """The resume state of one job.

    Args:
        path: where to keep it; the older generation stands beside it as ``<name>.previous``.
        identity: plain values that decide the result; a state with another identity is ignored.
    """

    def __init__(self, path: Path, identity: dict) -> None:
        self.path = path
        self.previous = path.with_name(path.name + ".previous")
        text = json.dumps(identity, sort_keys=True)
        self.identity = hashlib.sha256(text.encode()).hexdigest()

    def load(self) -> dict | None:
        """The newest readable state of this very job, or None."""
        for path in (self.path, self.previous):
            if not path.exists():
                continue
            try:
                content = torch.load(path, weights_only=True, map_location="cpu")
                identity, state = content["identity"], content["state"]
            except Exception as error:  # noqa: BLE001  whatever the damage, try the older one
                log.warning("%s is damaged (%s), not used", path, type(error).__name__)
                continue
            if identity == self.identity:
                log.info("resuming from %s", path)
                return state
            log.warning("%s belongs to other settings, data or versions, not used", path)
        return None

    def save(self, state: dict) -> None:
        """Keep a state; the one before becomes the older generation."""
        if self.path.exists():
            self.path.replace(self.previous)
        with atomic(self.path) as part:
            torch.save({"identity": self.identity, "state": state}, part)

    def remove(self) -> None:
        """Delete both generations, once the results are written."""
        for path in (self.path, self.previous):
            path.unlink(missing_ok=True)
