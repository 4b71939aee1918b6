"""Tiny runs, in this process or in one of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from rlmem.checkpoint import load_tensors
from rlmem.experiments.cli import main

_TINY = (
    "--num-envs 4 --num-steps 8 --model 16 --feedforward 16 --max-span 12 --ramp 2 --max-length 6 "
    "--max-episode-steps 20 --num-minibatches 2 --total-timesteps 640 --log-interval 64 --checkpoint-interval 128 "
    "--eval-interval 320 --eval-episodes 4 --no-eval-images --num-threads 1 --seed 3"
)
TINY = _TINY.split()


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Finished]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rlmem(here: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command line in this process."""
    threads = torch.get_num_threads()

    def run(*words: str) -> Finished:
        try:
            code = main(words)
        except SystemExit as error:
            code = int(error.code or 0)
        return Finished(code, *capfd.readouterr())

    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def train(rlmem: Command) -> Command:
    """Trains a tiny run called `name`; more flags override."""

    def run(name: str, *flags: str) -> Finished:
        return rlmem("train", "corridor", *TINY, "--name", name, *flags)

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny run `runs/corridor/run`, trained once for all tests; copy it."""
    folder = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    assert main(["train", "corridor", *TINY, "--output", str(folder / "runs"), "--name", "run", "--quiet"]) == 0
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def run(here: Path, trained: Path) -> Path:
    """A finished tiny run of the test's own, `runs/corridor/run`, with checkpoints at 384, 512 and 640 steps."""
    shutil.copytree(trained / "runs", here / "runs")
    return Path("runs/corridor/run")


@pytest.fixture
def rlmem_process(here: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command line as a process; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, **keywords: object) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "rlmem", *words],
            cwd=here,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **keywords,  # type: ignore[call-overload]
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def tiny() -> list[str]:
    """The flags of a tiny run."""
    return list(TINY)


@pytest.fixture
def folder_hash() -> Callable[[Path], str]:
    """Hashes names and contents of everything in a folder."""

    def hash_of(folder: Path) -> str:
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*")):
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    return hash_of


class Recorded:
    """What a run of any kind left on disk."""

    @staticmethod
    def lines(run: Path) -> list[dict[str, Any]]:
        """Its metrics, clocks left out."""
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in lines]

    @staticmethod
    def last_checkpoint(run: Path) -> Path:
        """The folder of its newest checkpoint."""
        return max((run / "checkpoints").glob("step_*"), key=lambda path: int(path.name[5:]))

    def assert_same(self, run: Path, expected: Path) -> None:
        """Last checkpoint, every process's part of it, and metrics are equal to the bit."""
        checkpoint, wanted = self.last_checkpoint(run), self.last_checkpoint(expected)
        assert checkpoint.name == wanted.name
        names = sorted(path.name for path in wanted.iterdir())
        assert sorted(path.name for path in checkpoint.iterdir()) == names
        assert {"model.safetensors", "trainer.safetensors", "state.json"} <= set(names)
        for name in (name for name in names if name.endswith(".safetensors")):
            (tensors, texts), (others, other_texts) = load_tensors(checkpoint / name), load_tensors(wanted / name)
            assert tensors.keys() == others.keys()
            assert texts == other_texts
            assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []
        state, other = (json.loads((path / "state.json").read_text())["trainer"] for path in (checkpoint, wanted))
        assert state == other
        assert self.lines(run) == self.lines(expected)


@pytest.fixture
def recorded() -> Recorded:
    """Reads and compares runs."""
    return Recorded()
