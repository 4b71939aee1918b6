"""Two versions in turn: what is measured of them, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rlmem.errors import RlmemError, UsageError
from rlmem.experiments import before_after
from rlmem.experiments.before_after import BeforeAfterArguments, measure


def test_a_version_is_measured_against_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_after, "_AGENTS", (("a2c", "short"),))
    found = measure(BeforeAfterArguments(sys.executable, sys.executable, windows=2, threads=1))
    assert found["commits"]["before"] == found["commits"]["after"]
    parts = found["measured"]["a2c, short spans"]
    assert parts.keys() == {"acting", "learning", "training"}
    for part in parts.values():
        assert [len(seconds) for seconds in part["seconds"].values()] == [2, 2]
        ratios = [old / new for old, new in zip(part["seconds"]["before"], part["seconds"]["after"], strict=True)]
        assert part["ratio"] == pytest.approx(sum(ratios) / 2, rel=0.01)
        assert part["ratio_quartiles"][0] <= part["ratio"] <= part["ratio_quartiles"][1]


def python_that(does: str, folder: Path) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_an_environment_without_rlmem_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_after, "_AGENTS", ())
    python = python_that("echo \"No module named 'rlmem'\" >&2; exit 1", tmp_path)
    with pytest.raises(UsageError, match="has no rlmem: No module named 'rlmem'; install it there"):
        measure(BeforeAfterArguments(python, sys.executable, windows=1))


def test_a_version_that_fails_ends_the_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_after, "_AGENTS", (("a2c", "short"),))
    python = python_that("""case "$2" in *__main__*) exit 1;; *) echo '{"commit": null}';; esac""", tmp_path)
    with pytest.raises(RlmemError, match="one of the versions failed"):
        measure(BeforeAfterArguments(python, python, windows=1))


@pytest.mark.parametrize(("settings", "message"), [
    ({"windows": 0}, "--windows is 0, but it must be at least 1"),
    ({"threads": 0}, "--threads is 0, but it must be at least 1"),
    ({"before": "/nowhere/python"}, "there is no file /nowhere/python; give the Python of an environment with rlmem"),
])  # fmt: skip
def test_bad_arguments_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BeforeAfterArguments(**{"before": sys.executable, "after": sys.executable, **settings})  # type: ignore[arg-type]
