"""What is installed is whole, and setting up a clone may be interrupted or done twice."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    copy = tmp_path_factory.mktemp("source")
    for name in ("engine", "catalog", "sql"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    [built] = (copy / "dist").glob("*.whl")
    return built


def test_a_wheel_holds_all_three_source_roots_and_the_demo_s_models(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"crannog/errors.py", "crannog/names.py", "crannog/types.py"} <= names
    assert {f"crannog/{part}/__init__.py" for part in ("engine", "catalog", "sql")} <= names
    assert "crannog/engine/demo/project/models/marts/hot_spots.sql" in names
    assert "crannog/engine/demo/project/seeds/ref/file_kinds.csv" in names
    assert "crannog/__init__.py" not in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"crannog"}


def test_a_wheel_runs_without_the_source(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    program = (
        f"import sys; sys.path += [{str(tmp_path / 'site')!r}, {packages!r}]\n"
        "from crannog.engine import connect\n"
        "import crannog.errors, crannog.catalog, crannog.sql\n"
        "lake = connect('lake')\n"
        "lake.sql('CREATE TABLE t AS SELECT 42 AS answer')\n"
        "print(lake.sql('FROM t').fetchall(), crannog.errors.__file__)\n"
    )
    # Without `site` no .pth file leads to the source.
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[(42,)]")
    assert str(tmp_path / "site") in done.stdout


def load_setup():
    spec = importlib.util.spec_from_file_location("crannog_setup", ROOT / ".ci" / "setup.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["crannog_setup"] = module
    spec.loader.exec_module(module)
    return module


def test_an_environment_is_finished_only_with_the_stamp_of_its_inputs(tmp_path):
    inputs = tmp_path / "requirements.txt"
    inputs.write_text("a==1\n")
    environment = load_setup().Environment(tmp_path / "venv", ("--requirement", "x"), (inputs,))
    assert not environment.finished()

    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    assert not environment.finished(), "half made"

    (tmp_path / "venv" / "crannog-stamp").write_text(environment.stamp())
    assert environment.finished()

    inputs.write_text("a==2\n")
    assert not environment.finished(), "out of date"
