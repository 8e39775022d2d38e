"""What is built works elsewhere: the wheel, installed outside the checkout, does the main job."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.request import urlopen

from tests.conftest import Demo
from tests.processes import free_port


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


def test_the_app_is_part_of_it(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    program = [installed / "python", "-I", installed / "repro", "app", "--no-browser", "--port", str(port)]
    with subprocess.Popen(
        program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as app:
        assert app.stdout and app.stderr
        try:
            assert app.stdout.readline().endswith(f"http://127.0.0.1:{port}\n"), app.stderr.read()
            with urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
                assert answer.read() == b"ok"
            (child,) = Path(f"/proc/{app.pid}/task/{app.pid}/children").read_text().split()
            command = Path("/proc", child, "cmdline").read_text().split("\0")
        finally:
            app.terminate()
            app.communicate(timeout=60)
    (script,) = [word for word in command if word.endswith("errors.py")]
    assert Path(script).is_relative_to(installed.parent)


def test_the_demo_does_the_main_job(demo: Demo) -> None:
    assert demo.returncode == 0, demo.output
    assert "PoolFormer-S24" in demo.output
    assert "convertible" in demo.output  # what all three models call one of the jeeps
    assert len(list(demo.runs.glob("*/run.json"))) == 3
    assert "repro eval --models poolformer_s24" in demo.output
