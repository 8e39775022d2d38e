"""What is built works elsewhere: the wheel, installed outside the checkout, does the main job."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
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


def run(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = [installed / "python", "-I", installed / "repro", *arguments]
    return subprocess.run(program, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    where = [installed / "python", "-I", "-c", "import repro; print(repro.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(installed.parent) in found


def test_models_are_listed(installed: Path, tmp_path: Path) -> None:
    result = run(installed, "models", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "poolformer_s24.sail_in1k" in result.stdout


def test_the_demo_does_the_main_job(installed: Path, tmp_path: Path) -> None:
    result = run(installed, "demo", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "PoolFormer-S24" in result.stdout
    assert "convertible" in result.stdout  # what all three models call one of the jeeps
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == 3
    assert "repro eval --models poolformer_s24" in result.stderr
