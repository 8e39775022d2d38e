"""Where a model's weights lie on this machine: found by the standard library alone, in milliseconds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from repro.catalogue.packages import package_folder
from repro.specs import HubWeights, ModelSpec, PackageWeights


def where_weights(spec: ModelSpec) -> str:
    """`cached`, `hub` (to be downloaded), `package (…)`, `file (--weights)`, or why there are none."""
    match spec.weights:
        case HubWeights():
            return "cached" if cached_weights(spec.weights) else "hub"
        case PackageWeights():
            return "package" if packaged_weights(spec.weights) else "package (not installed)"
        case None:
            return "file (--weights)" if spec.needs_file else spec.unavailable


def cached_weights(weights: HubWeights) -> Path | None:
    """The file in the Hugging Face cache: at its commit, or at the branch as it was fetched, else at any.

    The path is `…/snapshots/COMMIT/FILENAME`, as a rule a link to `…/blobs/CONTENT_HASH`.
    """
    repository = hub_cache() / f"models--{weights.repo_id.replace('/', '--')}"
    paths = (snapshot / weights.filename for snapshot in _snapshots(repository, weights.revision))
    return next((path for path in paths if path.is_file()), None)


def has_repository(name: str) -> bool:
    """Whether the cache has a repository of this name, whoever owns it."""
    return any(path.name.endswith(f"--{name}") for path in hub_cache().glob("models--*"))


def packaged_weights(weights: PackageWeights) -> Path | None:
    """The file in the installed package, which is not imported."""
    folder = package_folder(weights.package)
    path = folder / weights.path if folder else None
    return path if path and path.is_file() else None


def hub_cache() -> Path:
    """The folder that huggingface_hub keeps its files in; the same variables move it."""
    caches = os.environ.get("XDG_CACHE_HOME", str(Path("~", ".cache")))
    home = _expanded(os.environ.get("HF_HOME", str(Path(caches, "huggingface"))))
    legacy = os.environ.get("HUGGINGFACE_HUB_CACHE", str(Path(home, "hub")))
    return Path(_expanded(os.environ.get("HF_HUB_CACHE", legacy)))


def _expanded(path: str) -> str:
    return os.path.expandvars(Path(path).expanduser())


def _snapshots(repository: Path, revision: str) -> Iterator[Path]:
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        yield repository / "snapshots" / revision
        return
    branch = repository / "refs" / revision
    if branch.is_file():
        yield repository / "snapshots" / branch.read_text(encoding="utf-8").strip()
    yield from sorted(repository.glob("snapshots/*"))
