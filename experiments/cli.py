"""The command `rlmem`: its subcommands, loaded on use, and how errors end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from rlmem import __version__
from rlmem.errors import RlmemError, UsageError
from rlmem.experiments.error_line import print_error

if TYPE_CHECKING:
    from rlmem.agents.ranks import Ranks

COMMANDS = {
    "train": ("train an agent: rlmem train corridor", "rlmem.experiments.train:train"),
    "resume": ("go on with a run that was stopped", "rlmem.experiments.resume_command:run"),
    "eval": ("play evaluation episodes with a run's weights", "rlmem.experiments.evaluate_command:run"),
    "trace": ("show what an agent remembered, and whether it mattered", "rlmem.experiments.trace_command:run"),
    "watch": ("watch an agent play, its memories beside it", "rlmem.experiments.watch_command:run"),
    "play": ("play an environment yourself: rlmem play rlmem/Corridor-v0", "rlmem.experiments.play_command:run"),
    "report": ("write a run's curve, evaluation and figure to keep", "rlmem.experiments.report_command:run"),
    "compare": ("train kinds of memory and draw score against their size", "rlmem.experiments.compare_command:run"),
    "reproduce": ("make a figure or table of the paper", "rlmem.experiments.reproduce.command:run"),
    "demo": ("train a small agent in minutes and show that it remembers", "rlmem.experiments.demo:run"),
    "check": ("check a memory's properties, of a run or of a policy of yours", "rlmem.experiments.check_command:run"),
    "envs": ("list the environments", "rlmem.experiments.envs_command:run"),
    "lm": ("train and evaluate language models on the same core", "rlmem.experiments.lm.command:run"),
    "bench": ("measure speed and memory on this machine", "rlmem.experiments.bench.command:run"),
}
"""Subcommands: one line of help, and where the function is that takes the rest of the words."""

USAGE_EXIT_CODE = 2

_FOR_RANKS = ("train", "resume", "lm")  # commands that several processes run together


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: the words after `rlmem`; None takes the process's own.

    Returns:
        The exit code: 0, 1 for failures, 2 for wrong usage, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not is_launched_with_others():
        return _guarded(lambda: _dispatch(words), print_error)
    from rlmem.experiments.launched import Launched

    launched = Launched()
    return _guarded(lambda: launched.run(lambda ranks: _dispatch(words, ranks)), launched.say)


def is_launched_with_others() -> bool:
    """True for one of several processes that torchrun started."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def _guarded(work: Callable[[], int], say: Callable[[str], None]) -> int:
    """The exit code of some work, whose errors are said."""
    try:
        return work()
    except RlmemError as error:
        say(str(error))
        return error.exit_code
    except BrokenPipeError:  # whoever read the output, such as `head`, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        say(f"{error.strerror or error}: {error.filename or 'the file system'}; free it or choose another")
        return 1
    except KeyboardInterrupt:
        say("stopped at once; what was saved before is whole")
        return 130


def _dispatch(words: list[str], ranks: Ranks | None = None) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(help_text())
        return 0 if words else USAGE_EXIT_CODE
    if words[0] == "--version":
        print(f"rlmem {__version__}")
        return 0
    name, *rest = words
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(COMMANDS)}"
        raise UsageError(f"rlmem has no command {name!r}; {hint}")
    module, _, function = COMMANDS[name][1].partition(":")
    command: Callable[..., int] = getattr(import_module(module), function)
    if ranks is None:
        return command(rest)
    if name not in _FOR_RANKS:
        raise UsageError(f"rlmem {name} runs in one process; start it without torchrun")
    return command(rest, ranks)


def help_text() -> str:
    """What `rlmem --help` prints."""
    lines = [f"  {name:<10} {summary}" for name, (summary, _) in COMMANDS.items()]
    head = "usage: rlmem COMMAND [OPTIONS]\n\nReinforcement-learning agents whose memory learns what to forget.\n"
    return "\n".join([head, "commands:", *lines, "", "rlmem COMMAND --help explains one; rlmem --version."])


if __name__ == "__main__":
    sys.exit(main())
