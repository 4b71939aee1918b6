"""The process of one run: trains a language model to its end from where it stands, then evaluates it.

python -m rlmem.experiments.reproduce.worker RUN lm train TASK …

Everything is done by the commands that a person would type: `rlmem lm train`, `rlmem resume`, `rlmem lm eval`. It saves
and stops on SIGTERM, and when its standard input is closed, which is what happens when its parent dies.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from rlmem.experiments.cli import main as run_command
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.parent_watch import stop_with_the_parent
from rlmem.experiments.reproduce.planned_model import evaluate_words
from rlmem.experiments.reproduce.run_state import read_evaluation, updates_done, write_evaluation

Command = Callable[[Sequence[str]], int]


def main(argv: Sequence[str]) -> int:
    """Do the work of one run; returns the exit code: 0 when it is done, 130 or 143 when it was stopped, else another.

    Args:
        argv: the run's folder, then the words after `rlmem` that train it.
    """
    path, *words = argv
    stop_with_the_parent()
    return work(Path(path), words, run_command)


def work(path: Path, words: Sequence[str], run: Command) -> int:
    """Train and evaluate what is left of a run.

    Args:
        path: of its folder, which may not be there; if it is, it holds this run.
        words: after `rlmem`, that train it from the start.
        run: runs a command line.

    Returns:
        The exit code of the first command that failed or was stopped, or 0.
    """
    if not updates_done(path):
        if path.exists():
            shutil.rmtree(path)  # a kill came before the first checkpoint
        code = run([*words, "--quiet"])
    elif updates_done(path) < LanguageRunFolder(path).config.run.all_updates:
        code = run(["resume", str(path), "--quiet"])
    else:
        code = 0
    if code == 0 and read_evaluation(path) is None:
        code = _evaluate(path, run)
    return code


def _evaluate(path: Path, run: Command) -> int:
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = run(evaluate_words(path))
    if code == 0:
        write_evaluation(path, json.loads(printed.getvalue()))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
