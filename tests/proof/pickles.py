"""Where the package unpickles: one call, which builds tensors only, of a file whose content is pinned."""

from __future__ import annotations

import ast
from pathlib import Path

import repro

UNPICKLERS = {"load", "loads", "Unpickler", "read_pickle", "unsafe_load", "load_module"}
MODULES = {
    "torch",
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "np",
    "numpy",
    "pd",
}


def check() -> dict[str, int]:
    """Counts the calls that can unpickle, and those of them that build tensors only."""
    sites = [
        node
        for path in Path(repro.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _can_unpickle(node)
    ]
    safe = [
        site
        for site in sites
        if ast.unparse(site.func) == "torch.load"
        and {"weights_only": "True"}.items() <= {k.arg: ast.unparse(k.value) for k in site.keywords}.items()
    ]
    return {"call_sites": len(sites), "tensors_only": len(safe), "wanted": 1}


def _can_unpickle(call: ast.Call) -> bool:
    module, _, name = ast.unparse(call.func).rpartition(".")
    arrays_only = {k.arg: ast.unparse(k.value) for k in call.keywords}.get("allow_pickle") == "False"
    return name in UNPICKLERS and module in MODULES and not arrays_only
