"""Tiny runs of language models, and a stream whose blocks a test writes itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rlmem.experiments.cli import main
from rlmem.experiments.lm.block import Block

_TINY = (
    "--min-distance 8 --max-distance 12 --eval-symbols 800 --batch 4 --block 16 --model 16 --heads 2 --feedforward 16 "
    "--max-span 24 --ramp 4 --updates 20 --warmup-updates 4 --log-interval 2 --checkpoint-interval 4 "
    "--eval-interval 10 --eval-rows 4 --num-threads 1 --seed 3"
)
TINY = _TINY.split()


@dataclass
class WrittenStream:
    """A stream that ends, over tensors (batch, length)."""

    whole: Block
    position: int = 0

    @property
    def batch(self) -> int:
        return self.whole.inputs.shape[0]

    def next_block(self, length: int) -> Block | None:
        part = slice(self.position, self.position + length)
        block = Block(*(tensor[:, part] for tensor in vars(self.whole).values()))
        self.position += block.inputs.shape[1]
        return block if block.inputs.shape[1] else None

    def state(self) -> dict[str, Tensor]:
        return {"position": torch.tensor(self.position)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.position = int(state["position"])


@pytest.fixture
def lm_train(rlmem: Callable[..., Any]) -> Callable[..., Any]:
    """Trains a tiny run called `name` on the copy task; more flags override."""

    def run(name: str, *flags: str) -> Any:
        return rlmem("lm", "train", "copy", *TINY, "--name", name, *flags)

    return run


@pytest.fixture(scope="session")
def lm_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny run `runs/copy/run`, trained once for all tests; copy it."""
    folder = tmp_path_factory.mktemp("lm_trained")
    threads = torch.get_num_threads()
    words = ["lm", "train", "copy", *TINY, "--output", str(folder / "runs"), "--name", "run", "--quiet"]
    assert main(words) == 0
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def lm_run(here: Path, lm_trained: Path) -> Path:
    """A finished tiny run of the test's own, with checkpoints at 12, 16 and 20 updates."""
    shutil.copytree(lm_trained / "runs", here / "runs")
    return Path("runs/copy/run")


@pytest.fixture
def lm_tiny() -> list[str]:
    """The flags of a tiny run."""
    return list(TINY)


@pytest.fixture
def written_stream() -> Callable[[Block], WrittenStream]:
    """Makes a stream of one block's symbols."""
    return WrittenStream
