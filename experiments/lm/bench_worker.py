"""The process that measures one model of `rlmem lm bench`, alone, so that its peak memory is its own.

python -m rlmem.experiments.lm.bench_worker JSON
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rlmem.errors import RlmemError
from rlmem.experiments.allocator import keep_freed_memory
from rlmem.experiments.device import Device
from rlmem.experiments.lm.random_stream import RandomStream
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.train_config import LanguageLearnerConfig, LanguageRunConfig, Precision
from rlmem.experiments.lm.trainer import LanguageTrainer
from rlmem.experiments.lm.training_run import load_trainer, peak_device_memory_mib
from rlmem.experiments.train_config import read_section
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.model_config import ModelConfig

_STILL = 1e-12  # a learning rate at which nothing moves, while all the work is done


@dataclass(frozen=True)
class Work:
    """What is to be measured.

    Args:
        device: `cpu` or `cuda`.
        repeats: batches that are timed.
        threads: of PyTorch on the CPU; None leaves its choice.
        run: folder of a run, taken up at its last checkpoint, memory and all; or None for a fresh model.
        model: of the fresh one, as JSON.
        num_symbols, batch, block, precision: likewise.
    """

    device: Device
    repeats: int
    threads: int | None
    run: str | None = None
    model: dict[str, Any] | None = None
    num_symbols: int = 256
    batch: int = 8
    block: int = 128
    precision: Precision = "float32"

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def main(argv: Sequence[str]) -> int:
    """Measure and print one JSON object; returns the exit code."""
    try:
        work = Work(**json.loads(argv[0]))
        if work.threads is not None:
            torch.set_num_threads(work.threads)
        trainer, fill = _of_run(work) if work.run is not None else _fresh(work)
        print(json.dumps(measure(trainer, fill, work)))
    except RlmemError as error:
        print(f"rlmem: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def measure(trainer: LanguageTrainer, fill: int, work: Work) -> dict[str, Any]:
    """Time, memory and memory size of a trainer's batches.

    Args:
        trainer: whose weights stay as they are.
        fill: batches until its memory is full.
        work: device and repeats.
    """
    before = peak_device_memory_mib(work.device)
    for _ in range(fill):
        trainer.iterate()
    if work.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    trainer.gathered.clear()
    seconds = [_seconds(trainer, work.device) for _ in range(work.repeats)]
    metrics = trainer.gathered.metrics()
    learner = trainer.learner.config
    return {
        "milliseconds_per_batch": 1000 * statistics.median(seconds),
        "milliseconds": [1000 * one for one in seconds],
        "tokens_per_second": learner.batch * learner.block / statistics.median(seconds),
        "peak_memory_mib": peak_device_memory_mib(work.device),
        "memory_before_mib": before,
        "memory_size_mean": metrics["memory/size_mean"],
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "batch": learner.batch,
        "block": learner.block,
    }


def _seconds(trainer: LanguageTrainer, device: str) -> float:
    started = time.perf_counter()
    trainer.iterate()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _fresh(work: Work) -> tuple[LanguageTrainer, int]:
    """A trainer of a fresh model on random symbols, and how many batches fill its memory."""
    keep_freed_memory()
    config: ModelConfig = read_section(ModelConfig, work.model, "model")
    torch.manual_seed(0)
    model = LanguageModel(config, VocabularyConfig(work.num_symbols, work.num_symbols)).to(work.device)
    learner = LanguageLearnerConfig(
        batch=work.batch, block=work.block, learning_rate=_STILL, warmup_updates=0, precision=work.precision
    )
    trainer = LanguageTrainer(model, RandomStream(work.batch, work.num_symbols), learner, LanguageRunConfig(), "bpb")
    return trainer, reach_of(config) // work.block + 2


def _of_run(work: Work) -> tuple[LanguageTrainer, int]:
    """A run's trainer at its last checkpoint, whose memory is full already."""
    assert work.run is not None, "a run was named"
    directory = LanguageRunFolder(Path(work.run))
    config = directory.config
    rows = config.learner.batch // config.run.processes  # of several processes the first one's work is measured
    config = replace(
        config,
        run=replace(config.run, device=work.device, processes=1),
        learner=replace(config.learner, batch=rows, learning_rate=_STILL, warmup_updates=0, schedule="constant"),
    )
    checkpoint = directory.checkpoints.choose(None, f"rlmem lm bench {directory.path}")
    return load_trainer(directory, config, checkpoint), 2


def reach_of(config: ModelConfig) -> int:
    """How far back a layer's memory reaches at most where spans are as they begin, in steps."""
    if config.memory == "compressive":
        return config.max_span + config.num_compressed * config.compression_rate
    if config.memory == "transformer_xl":
        return config.max_span
    longest = max(config.initial_span_fraction_of(layer) for layer in range(config.num_layers))
    return int(longest * config.max_span) + config.ramp


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
