"""The folders, the links in rlmem/, the package list, the pinned versions and the installed tree agree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
FOLDERS = ("envs", "agents", "experiments")


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    document: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return document


def packages_on_disk() -> dict[str, str]:
    """Map every package's name to its folder in the checkout; the links are left out, their targets are in."""
    packages = {}
    for prefix, top in [("", "rlmem"), *(("rlmem.", name) for name in FOLDERS)]:
        for init in (ROOT / top).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT)
            if folder.parts[:2] not in {("rlmem", name) for name in FOLDERS}:
                packages[prefix + ".".join(folder.parts)] = folder.as_posix()
    return packages


def folder_by_package_dir(package: str, package_dir: dict[str, str]) -> str:
    """Resolve a package as setuptools does: the nearest listed parent's folder, then the rest of the name."""
    parents = [parent for parent in package_dir if package == parent or package.startswith(parent + ".")]
    nearest = max(parents, key=len)
    rest = package[len(nearest) :].replace(".", "/")
    return package_dir[nearest] + rest


@pytest.mark.parametrize("name", FOLDERS)
def test_link(name: str) -> None:
    link = ROOT / "rlmem" / name
    assert link.is_symlink(), f"{link} must be a link; on Windows: git config core.symlinks true, then git checkout ."
    assert link.readlink() == Path("..") / name


def test_every_package_is_listed(pyproject: dict[str, Any]) -> None:
    assert set(pyproject["tool"]["setuptools"]["packages"]) == set(packages_on_disk())


def test_every_package_is_found(pyproject: dict[str, Any]) -> None:
    package_dir = pyproject["tool"]["setuptools"]["package-dir"]
    on_disk = packages_on_disk()
    assert {package: folder_by_package_dir(package, package_dir) for package in on_disk} == on_disk


def test_every_module_is_in_a_package() -> None:
    folders = {ROOT / folder for folder in packages_on_disk().values()}
    modules = [path for top in ("rlmem", *FOLDERS) for path in (ROOT / top).rglob("*.py")]  # follows no links
    assert [path for path in modules if path.parent not in folders] == []


def test_tests_are_not_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_dependency_is_pinned(pyproject: dict[str, Any]) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {
        canonicalize_name(pin.name): pin for line in lines if not line.startswith("#") for pin in [Requirement(line)]
    }
    project = pyproject["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        wanted = Requirement(text)
        pin = pins[canonicalize_name(wanted.name)]
        (version,) = (specifier.version for specifier in pin.specifier)
        assert wanted.specifier.contains(version), f"{wanted} refuses the pinned {version}"
    assert all("+" not in str(pin.specifier) for pin in pins.values())


@pytest.mark.parametrize("name", FOLDERS)
def test_wrong_name_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    with pytest.raises(ImportError, match=f"`import rlmem.{name}`"):
        __import__(name)
