"""The options of the instruction task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlmem.errors import check, flag
from rlmem.experiments.lm import instruction_grammar as grammar

_LIMITS = {
    "num_characters": len(grammar.ROLES) * (1 + len(grammar.ROLE_KINDS)),
    "num_places": len(grammar.PLACES) * (1 + len(grammar.PLACE_KINDS)),
    "num_things": len(grammar.THINGS),
    "num_deeds": len(grammar.DEEDS),
    "num_sentences": len(grammar.DISTRACTORS),
}


@dataclass(frozen=True)
class InstructionOptions:
    """Tell somebody what you were asked to tell them long ago."""

    num_characters: int = 10
    """Characters, up to 1,177: first the plain ones, then old ones, young ones and so on."""
    num_places: int = 4
    """Places, up to 620."""
    num_things: int = 4
    """Things, up to 98."""
    num_deeds: int = 3
    """What characters can do: as many of each list of deeds, moods and weathers (all of it where it is shorter), up to
    40."""
    num_sentences: int = 8
    """Patterns of sentences that mean nothing, up to 40."""
    num_instructions: int = 3
    """Instructions a story, all of them for different characters."""
    mean_distance: int = 20
    """Sentences that mean nothing between an instruction and its execution, on average."""
    min_distance: int = 1
    """The fewest of them; the most are as far above the average."""
    near_misses: float = 0.1
    """Share of those sentences that look like an instruction and are none."""
    bystanders: float = 0.05
    """Share of those sentences that say that somebody is here whom nothing is to be told."""
    short_stories: float = 0.0
    """Share of the training text whose stories are as short as can be: every instruction waits for --min-distance
    sentences. From them a small model learns to look up who wants to see whom, which much else hides."""
    trained: Literal["all", "executions"] = "executions"
    """Which words are trained: all, as in the paper's language models, or executions alone, which is learned sooner."""
    light_json: str = ""
    """A file of LIGHT's dialogues as JSON, whose characters, places and utterances take the place of ours."""
    light_words: int = 10_000
    """Size of the vocabulary then; rarer words become <unk>."""
    eval_symbols: int = 400_000
    """Words of the valid data, and of the test data, divided evenly among the rows."""

    def __post_init__(self) -> None:
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            check(1 <= value <= limit, f"{flag(name)} is {value}, but it must be from 1 to {limit:,}")
        for name in ("num_instructions", "min_distance", "light_words", "eval_symbols"):
            value = getattr(self, name)
            check(value >= 1, f"{flag(name)} is {value}, but it must be at least 1")
        check(
            self.num_characters >= self.num_instructions + 2,
            f"--num-characters is {self.num_characters}, but {self.num_instructions} instructions a story need "
            f"{self.num_instructions + 2} or more: each is for somebody else, and nothing is to be told to some",
        )
        check(
            self.mean_distance >= self.min_distance,
            f"--mean-distance is {self.mean_distance}, but it must be at least --min-distance ({self.min_distance})",
        )
        check(
            self.trained in ("all", "executions"),
            f"--trained is {self.trained!r}, but it must be all or executions",
        )
        for name in ("near_misses", "bystanders", "short_stories"):
            share = getattr(self, name)
            check(0 <= share <= 1, f"{flag(name)} is {share}, but a share is from 0 to 1")
        check(
            self.near_misses + self.bystanders <= 1,
            f"--near-misses and --bystanders are {self.near_misses} and {self.bystanders}, but shares of the same "
            "sentences cannot make more than 1 together",
        )


PAPER_OPTIONS = InstructionOptions(
    num_characters=600,
    num_places=300,
    num_things=98,
    num_deeds=40,
    num_sentences=40,
    num_instructions=5,
    mean_distance=950,
    trained="all",
    eval_symbols=5_000_000,
)
"""The paper's mean distance; everything else is ours, since its text is LIGHT's."""
