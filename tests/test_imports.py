"""What importing the package loads, and which parts of it may import which."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.cli import lint_imports
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
FOLDERS = ("rlmem", "envs", "agents", "experiments")


def run_python(program: str, folder: Path) -> None:
    """Run a program in a fresh interpreter, away from the checkout, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", program]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_import_registers_environments_without_torch(tmp_path: Path) -> None:
    run_python(
        "import sys, gymnasium, rlmem\n"
        "assert 'rlmem/Corridor-v0' in gymnasium.registry\n"
        "assert 'torch' not in sys.modules, 'import rlmem imports torch'\n"
        "assert not [name for name in sys.modules if name.startswith('minigrid')], 'import rlmem imports minigrid'",
        tmp_path,
    )


def test_single_environments_need_no_torch(tmp_path: Path) -> None:
    run_python(
        "import sys, gymnasium, rlmem\n"
        "from gymnasium.envs.registration import load_env_creator\n"
        "specs = [spec for spec in gymnasium.registry.values() if spec.namespace == 'rlmem']\n"
        "assert specs\n"
        "for spec in specs:\n"
        "    load_env_creator(spec.entry_point)\n"
        "    assert 'torch' not in sys.modules, f'{spec.entry_point} imports torch'",
        tmp_path,
    )


def test_lazy_names_resolve() -> None:
    import rlmem

    for name in dir(rlmem):
        assert getattr(rlmem, name) is not None
    with pytest.raises(AttributeError, match="'rlmem' has no attribute 'no_such_name'"):
        _ = rlmem.no_such_name


def test_imports_run_one_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert len(read_configuration()["contracts_options"]) >= 4
    exit_code = lint_imports(no_cache=True)
    assert exit_code == 0, capsys.readouterr().out


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    distributions = packages_distributions()
    for path in [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]:
        for name in top_level_imports(path) - set(sys.stdlib_module_names) - {"rlmem", "__future__"}:
            providers = {canonicalize_name(provider) for provider in distributions.get(name, [name])}
            assert providers & declared, f"{path} imports {name}, which pyproject.toml does not list"


def top_level_imports(path: Path) -> set[str]:
    """Return the first word of every absolute import in a file, deferred ones included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names
