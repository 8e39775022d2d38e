"""What every test may use, and what none may do."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).parents[1]

# The machine's load is nobody's fault.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

# A shell that starts the tests in the background has them, and all that they begin, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOWEST = (
    "test_known_answers.py",
    "test_hostile.py",
    "test_ray_engine.py",
    "test_launch.py",
    "test_train.py",
    "test_metaformer.py",
    "test_own_networks.py",
    "test_evaluating.py",
    "test_pages.py",
    "test_readme.py",
    "test_package.py",
)
"""Files that begin first, so that at the end no core waits for another; the rest goes as it comes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in SLOWEST)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photographs and predictions that lie beside the repository, never in it."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """No test reaches beyond this machine."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise AssertionError(f"a test connects to {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked)
        yield


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one of the processes that run tests makes, for all of them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").is_file():
            make(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def counted_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the counts of every network of the first paper; each costs a second."""
    from repro.catalogue.models import find_model
    from repro.catalogue.tables import find_table
    from repro.evaluation.complexity import count_complexity

    def count(folder: Path) -> None:
        for row in find_table("paper").rows:
            if (spec := find_model(row.model)).timm_name:
                count_complexity(spec, folder)

    return made_once(tmp_path_factory, "counted", count)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a fresh environment that holds the wheel.

    What the wheel depends on is borrowed from this environment's site-packages by a .pth file, which
    keeps the test off the network; the checkout itself is reached through no path there.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    build = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--offline", "--no-build-isolation"]
    subprocess.run([*build, "--out-dir", str(folder), str(CHECKOUT)], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([*install, "--python", str(python), str(wheel)], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run(
        [python, "-c", where], capture_output=True, text=True, check=True
    ).stdout.strip()
    (Path(packages) / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def import_published(file: Path, model: str, runs: Path, labels: Path | None = None) -> None:
    """A run of the predictions in `file`."""
    from repro.exchange.importing import ImportRequest, import_predictions
    from repro.specs import ModelSpec

    mixer = {"ResNet50": "convolution", "ViT": "attention"}.get(model, "unknown")
    import_predictions(ImportRequest(file, ModelSpec(model, mixer, model), runs, labels))


@pytest.fixture(scope="session")
def published_runs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the predictions that ImageNet-X publishes, of all 50,000 images of ImageNet val."""
    pytest.importorskip("imagenet_x", reason="the package imagenet-x has the labels")
    runs = tmp_path_factory.mktemp("published")
    for model in ("ResNet50", "ViT"):
        import_published(shared_data / "predictions" / f"{model}.csv", model, runs)
    return runs


@dataclass(frozen=True)
class Demo:
    """What `repro demo` printed, stdout and stderr as they came, and the folder of its runs."""

    returncode: int
    output: str
    runs: Path


@pytest.fixture(scope="session")
def demo(installed: Path, counted_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo of the installed wheel, run once for all who look at it; all networks but one are counted."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(counted_folder / "complexity", folder / "runs" / "complexity")
    next((folder / "runs" / "complexity").glob("poolformer_s24*")).unlink()
    program = [installed / "python", "-I", installed / "repro", "demo"]
    ran = subprocess.run(
        program,
        cwd=folder,
        env=os.environ | {"PATH": os.defpath},  # as after `make demo`, which activates nothing
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Demo(ran.returncode, ran.stdout, folder / "runs")
