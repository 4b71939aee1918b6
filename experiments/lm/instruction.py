"""Instruction: remember whom to tell what, among much other talk, until they are here (paper, 5.2).

A story is sentences. In some of them the reader is asked

    can you tell the [x] that the [y] wants to see them ?

and after many others (speech, deeds, descriptions, and near misses such as other requests) comes to where x is: `the
[x] is here .` At once follows

    you tell the [x] " [y] wants to see you ! "

Several instructions wait at a time, each for another x. Where somebody is here whom nothing is to be told, nothing
follows. So the execution follows from the text before it without doubt. The next story follows at once and sees nothing
of the last. Trained is every word but a story's first, as in any language model, or the executions alone, which a
small model learns sooner; scored are the executions, and one is right only if all of its words are predicted, each from
the true ones before it. Splits share characters, places and patterns, and differ in what is drawn.

The paper took its text from LIGHT; ours comes from a grammar, or with --light-json from LIGHT too.
"""

from __future__ import annotations

from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.generated_stream import GeneratedStream
from rlmem.experiments.lm.horizon import Horizon, measure_horizon
from rlmem.experiments.lm.instruction_options import PAPER_OPTIONS, InstructionOptions
from rlmem.experiments.lm.instruction_oracle import InstructionOracle
from rlmem.experiments.lm.instruction_story import InstructionSource
from rlmem.experiments.lm.instruction_world import make_world

__all__ = [
    "PAPER_OPTIONS",
    "InstructionOptions",
    "InstructionOracle",
    "chance",
    "horizon",
    "make_streams",
    "symbol_names",
    "target_names",
]


def make_streams(options: InstructionOptions, split: Split, batch: int, seed: int) -> GeneratedStream:
    """The streams of a split: endless in training, of `eval_symbols` words in valid and test.

    Raises:
        UsageError: LIGHT's file cannot be read, or holds too little.
    """
    num_symbols = None if split == "train" else options.eval_symbols
    return GeneratedStream(InstructionSource(options, make_world(options), split), split, batch, seed, num_symbols)


def symbol_names(options: InstructionOptions) -> tuple[str, ...]:
    """The words, by number."""
    return make_world(options).words


def target_names(options: InstructionOptions) -> tuple[str, ...]:
    """Names of the classes to be predicted: the words."""
    return symbol_names(options)


def chance(options: InstructionOptions) -> float:
    """Share of the executions that the best guess without memory gets right, at most.

    Who is told is said just before; who wants to see them may be anyone else. It is less where the guess is wrong that
    an execution follows at all.
    """
    return 1 / (options.num_characters - 1)


def horizon(options: InstructionOptions) -> Horizon:
    """How far back the requests begin, in words, measured on twenty stories or more of each of eight rows."""
    source = InstructionSource(options, make_world(options), "valid")
    longest = 3 * options.mean_distance + 3 * options.num_instructions  # sentences a story
    return measure_horizon(GeneratedStream(source, "valid", 8, 0, None), 20 * 12 * longest)
