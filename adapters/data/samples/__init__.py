"""Data that ships, with its attribution beside it (``ATTRIBUTION.md``)."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def sample_path(name: str) -> Path:
    """Path of a shipped sample; the package is always installed unpacked."""
    return Path(str(resources.files(__name__).joinpath(name)))
