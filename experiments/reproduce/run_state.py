"""A language model's run on disk: how far it is, and whether it is the one that is meant.

Beside the run's own files lies evaluation.json: the answer of `rlmem lm eval RUN --split test --json` for its last
checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rlmem.errors import RlmemError, UsageError
from rlmem.experiments.atomic_files import write_json
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.comparison_folder import differences
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.reproduce.planned_model import ModelRun

_PLACES = ("run.device", "run.num_threads", "run.init")
"""What another machine may decide otherwise."""


def updates_done(path: Path) -> int:
    """The updates of a run's last checkpoint, 0 without one."""
    return max(Checkpoints(path / "checkpoints", keep=1).steps(), default=0)


def is_trained(run: ModelRun) -> bool:
    """True when the run's last checkpoint is that of its end."""
    return updates_done(run.path) >= run.config.run.all_updates


def is_done(run: ModelRun) -> bool:
    """True when the run is trained and its last checkpoint is evaluated."""
    return is_trained(run) and read_evaluation(run.path) is not None


def read_evaluation(path: Path) -> dict[str, Any] | None:
    """The evaluation of a run's last checkpoint, or None."""
    file = path / "evaluation.json"
    if not file.is_file():
        return None
    try:
        evaluation: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RlmemError(f"{file} is no whole JSON file ({error}); remove it and start again") from error
    return evaluation if evaluation.get("checkpoint") == f"step_{updates_done(path)}" else None


def write_evaluation(path: Path, evaluation: dict[str, Any]) -> None:
    """Record what `read_evaluation` reads."""
    write_json(path / "evaluation.json", evaluation)


def check_same_run(run: ModelRun) -> None:
    """See that the run's folder is new, or holds this run.

    Raises:
        UsageError: it holds another one.
    """
    file = run.path / "config.json"
    if not run.path.exists() or (run.path.is_dir() and not any(run.path.iterdir())):
        return
    if not file.is_file():
        raise UsageError(f"{run.path} exists and is no run; choose another --output")
    check_same_config(_read_config(file), run.config, str(run.path), "--output")


def check_same_config(recorded: Any, config: LanguageTrainConfig, where: str, choice: str) -> None:
    """See that a recorded configuration is the one that is meant, device and threads left out.

    Args:
        recorded: the content of a config.json.
        config: what is meant.
        where: it was recorded, for the message.
        choice: the flag to choose another place with.

    Raises:
        UsageError: it is another one.
    """
    for key, old, new in differences(recorded, json.loads(json.dumps(config.to_json()))):
        if key not in _PLACES:
            raise UsageError(
                f"{where} holds another run: its {key} is {old!r}, not {new!r}; "
                f"give the same flags to go on with it, or choose another {choice}"
            )


def _read_config(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RlmemError(f"{file} is no whole JSON file ({error}); remove {file.parent} and start again") from error
