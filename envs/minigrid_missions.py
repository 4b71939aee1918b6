"""MiniGrid's missions ("go to the red ball") as word tokens: one cell a word, in the order of the text."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from minigrid.core.mission import MissionSpace
from minigrid.envs.babyai.core.roomgrid_level import BabyAIMissionSpace

from rlmem.errors import UsageError
from rlmem.word_space import WordSpace

# fmt: off
BABYAI_WORDS: tuple[str, ...] = (
    "a", "after", "and", "ball", "behind", "blue", "box", "door", "front", "go", "green", "grey", "in", "key", "left",
    "next", "object", "of", "on", "open", "pick", "purple", "put", "red", "right", "the", "then", "to", "up", "yellow",
    "you", "your",
)
# fmt: on
"""Every word of the Baby Language (minigrid/envs/babyai/core/verifier.py), whose mission space lists none."""

BABYAI_LENGTH = 72
"""Words of its longest mission, "A and B after you C and D", each "put the red ball in front of you next to ..."."""

_MOST_MISSIONS = 100_000  # writing out so many takes under a second; MiniGrid's own spaces have 324 at most


@dataclass(frozen=True)
class MissionWords:
    """The words of the missions of one environment.

    Args:
        words: the vocabulary, in the order of the array's last axis.
        length: words of the longest mission.
    """

    words: tuple[str, ...]
    length: int

    @property
    def space(self) -> WordSpace:
        """One row of `length` cells: the mission's first word in the first, cells after its end empty."""
        return WordSpace(1, self.length, self.words)

    def encode(self, mission: str) -> npt.NDArray[np.uint8]:
        """Write a mission as a binary array.

        Args:
            mission: the text; capitals and punctuation do not count.

        Returns:
            (1, length, words) uint8, 1 where a position holds a word.

        Raises:
            UsageError: a word or a length that the mission space does not know.
        """
        tokens = split_mission(mission)
        unknown = sorted(set(tokens) - set(self.words))
        if unknown or len(tokens) > self.length:
            what = f"holds {unknown}" if unknown else f"has {len(tokens)} words"
            raise UsageError(
                f"the mission {mission!r} {what}, but the environment's mission space gives at most {self.length} of "
                f"the words {self.words}: name all missions in its MissionSpace"
            )
        array = np.zeros((1, self.length, len(self.words)), dtype=np.uint8)
        array[0, range(len(tokens)), [self.words.index(token) for token in tokens]] = 1
        return array


def split_mission(mission: str) -> list[str]:
    """The words of a mission in small letters, without punctuation."""
    return re.findall(r"[a-z0-9]+", mission.lower())


def varying_mission_words(space: spaces.Space[str]) -> MissionWords | None:
    """Find the words of the missions, where there is more than one mission.

    Args:
        space: the mission space of a MiniGrid environment.

    Returns:
        The words in alphabetical order, `BABYAI_WORDS` for every BabyAI level (its space lists no missions, and some
        levels have just one); None where all episodes have the same mission.

    Raises:
        UsageError: the space is none of MiniGrid's, or has too many missions to list.
    """
    if isinstance(space, BabyAIMissionSpace):
        return MissionWords(BABYAI_WORDS, BABYAI_LENGTH)
    if not isinstance(space, MissionSpace):
        raise UsageError(
            f"the mission's space is {space}, whose words cannot be listed: give the environment MiniGrid's "
            "MissionSpace with its ordered placeholders"
        )
    missions = _all_missions(space)
    return None if len(set(missions)) == 1 else _words_of(missions)


def _all_missions(space: MissionSpace) -> list[str]:
    placeholders = space.ordered_placeholders or []
    number = math.prod(len(choices) for choices in placeholders)
    if number > _MOST_MISSIONS:
        raise UsageError(
            f"the environment has {number} missions, too many to list their words: give its MissionSpace fewer "
            f"placeholders, at most {_MOST_MISSIONS} combinations"
        )
    return [space.mission_func(*chosen) for chosen in itertools.product(*placeholders)]


def _words_of(missions: Iterable[str]) -> MissionWords:
    split = [split_mission(mission) for mission in missions]
    return MissionWords(tuple(sorted(set().union(*split))), max(map(len, split)))
