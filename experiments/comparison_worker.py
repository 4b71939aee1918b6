"""The process of one run of a comparison: trains it to its end from where it stands, then plays its evaluation.

python -m rlmem.experiments.comparison_worker FOLDER RUN EPISODES SEED

It saves and stops on SIGTERM, and when its standard input is closed, which is what happens when its parent dies. In the
place of one whose parent died it waits until that one has stopped.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rlmem.checkpoint import load_policy
from rlmem.errors import RlmemError
from rlmem.experiments.atomic_files import write_json
from rlmem.experiments.comparison_folder import (
    ComparisonFolder,
    check_same_runs,
    read_evaluation,
    read_peak_memory,
    write_peak_memory,
)
from rlmem.experiments.comparison_plan import as_json
from rlmem.experiments.evaluation_plays import EvaluateArguments, evaluate_policy
from rlmem.experiments.parent_watch import stop_with_the_parent
from rlmem.experiments.peak_memory import peak_memory_mib
from rlmem.experiments.run_directory import RunDirectory, wait_until_unlocked
from rlmem.experiments.train import train_to_the_end
from rlmem.experiments.train_config import TrainConfig

_PATIENCE_SECONDS = 60.0


def main(argv: Sequence[str]) -> int:
    """Do the work of one run; returns the exit code: 0 when it is done, 130 or 143 when it was stopped, else 1.

    Args:
        argv: folder of the comparison, name of the run, evaluation episodes, and the seed they are drawn from.
    """
    folder, name, episodes, seed = argv
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # Ray's workers block some
    stop_with_the_parent()
    try:
        directory = open_run(Path(folder), name)
        wait_until_unlocked(directory.path, _PATIENCE_SECONDS)
        code = train_run(directory)
        if code == 0:
            evaluate_run(directory, int(episodes), int(seed))
        return code
    except (RlmemError, OSError) as error:
        print(f"rlmem: error: {error}", file=sys.stderr)
        return 1


def open_run(folder: Path, name: str) -> RunDirectory:
    """The run's folder, made if it is not there.

    Raises:
        UsageError: its configuration is no longer that of the comparison.
    """
    planned = ComparisonFolder(folder).recorded()[name]
    path = folder / name
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()  # a kill came before config.json
    if not path.exists():
        return RunDirectory.create(TrainConfig.from_json(planned), folder.parent, folder.name, name)
    directory = RunDirectory(path)
    check_same_runs({name: as_json(directory.config)}, {name: planned}, path)
    return directory


def train_run(directory: RunDirectory) -> int:
    """Train from the last checkpoint, or from the start; returns the exit code.

    Raises:
        CheckpointError: the last checkpoint is damaged.
    """
    steps = directory.checkpoints.steps()
    if steps and steps[-1] >= directory.config.run.total_timesteps:
        return 0
    checkpoint = directory.checkpoints.choose(None, f"rlmem resume {directory.path}") if steps else None
    code = train_to_the_end(directory, checkpoint, quiet=True)
    write_peak_memory(directory.path, max(peak_memory_mib(), read_peak_memory(directory.path) or 0.0))
    return code


def evaluate_run(directory: RunDirectory, episodes: int, seed: int) -> None:
    """Play the evaluation with the last checkpoint and sampled actions, unless it is there already.

    Args:
        directory: of a trained run.
        episodes: how many.
        seed: the episodes' seeds are drawn from this one.
    """
    checkpoint = directory.checkpoints.choose(None, f"rlmem eval {directory.path}")
    asked: dict[str, Any] = {"checkpoint": checkpoint.name, "episodes": episodes, "seed": seed}
    if read_evaluation(directory.path, asked) is not None:
        return
    config = directory.config
    torch.set_num_threads(config.run.num_threads or 1)
    policy = load_policy(checkpoint / "model.safetensors", config.run.device)
    arguments = EvaluateArguments(str(directory.path), episodes=episodes, seed=seed)
    figures = evaluate_policy(policy, config.task, config.environment, arguments, ("sampled",))
    write_json(directory.path / "evaluation.json", {**asked, **figures})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
