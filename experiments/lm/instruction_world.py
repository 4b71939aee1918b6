"""The words, phrases and sentences of the instruction task, as tables from which text is put together in one go.

A phrase is a few words: a name, a deed, or what stands between two slots. A sentence is a list of pieces, each a phrase
or a slot. Text is sentences with a phrase for each slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np

from rlmem.experiments.lm import instruction_grammar as grammar
from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.generated_stream import SPLIT_NUMBERS, Ints
from rlmem.experiments.lm.instruction_options import InstructionOptions
from rlmem.experiments.lm.light_json import Light, read_light
from rlmem.experiments.lm.ragged import Ragged
from rlmem.experiments.lm.vocabulary import UNKNOWN

SLOTS = ("who", "whom", "third", "place", "thing", "other", "deed", "meets", "uses", "mood", "sky", "when")
WHO, WHOM, THIRD = range(3)


@dataclass(frozen=True)
class Sentences:
    """Numbers of sentences that do the same: `first` and the `count` - 1 after it."""

    first: int
    count: int

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Some of them, (size,)."""
        return self.first + rng.integers(0, self.count, size)


@dataclass(frozen=True)
class World:
    """The tables.

    Args:
        words: the vocabulary, by number.
        characters: their names.
        phrases: the words of each phrase; the first phrases are the characters.
        pieces: of each sentence, a phrase's number, or -1 - slot.
        first_phrase: (slot,) int64, the first of the phrases that a slot can hold.
        num_phrases: (slot,) int64, how many there are.
        sentences: by what they do: `request`, `presence`, `execution`, `bystander`, `near miss`, and what means
            nothing by split.
    """

    words: tuple[str, ...]
    characters: tuple[str, ...]
    phrases: Ragged
    pieces: Ragged
    first_phrase: Ints
    num_phrases: Ints
    sentences: Mapping[str, Sentences]

    def text(self, sentences: Ints, fills: Ints) -> tuple[Ints, Ints]:
        """Put sentences together.

        Args:
            sentences: (sentence,), their numbers.
            fills: (sentence, slot), the phrase in each slot.

        Returns:
            All their words, and the length of each sentence in words, (sentence,).
        """
        sizes = self.pieces.lengths[sentences]
        phrases = self.pieces.take(sentences)
        is_slot = phrases < 0
        owner = np.repeat(np.arange(len(sentences)), sizes)
        phrases[is_slot] = fills[owner[is_slot], -1 - phrases[is_slot]]
        lengths = np.add.reduceat(self.phrases.lengths[phrases], np.cumsum(sizes) - sizes)
        return self.phrases.take(phrases), lengths


@lru_cache(maxsize=2)
def make_world(options: InstructionOptions) -> World:
    """The world of our own grammar, or of a file of LIGHT's; of the lists, as much as the options ask for.

    Raises:
        UsageError: LIGHT's file cannot be read, or holds too little.
    """
    characters = _with_kinds(grammar.ROLES, grammar.ROLE_KINDS)[: options.num_characters]
    places = _with_kinds(grammar.PLACES, grammar.PLACE_KINDS)[: options.num_places]
    ours = grammar.DISTRACTORS[: options.num_sentences]
    idle: Mapping[Split, tuple[str, ...]] = dict.fromkeys(SPLIT_NUMBERS, ours)
    light: Light | None = None
    if options.light_json:
        light = read_light(options.light_json, options.num_characters, options.num_places)
        characters, places, idle = light.characters, light.places, light.utterances
    things = grammar.THINGS[: options.num_things]
    few = slice(options.num_deeds)
    deeds = (grammar.DEEDS, grammar.MEETINGS, grammar.USES, grammar.MOODS, grammar.SKIES, grammar.TIMES)
    lists = (characters, characters, characters, places, things, things, *(one[few] for one in deeds))
    groups: dict[str, tuple[str, ...]] = {
        "request": grammar.REQUESTS,
        "presence": grammar.PRESENCES,
        "execution": (grammar.EXECUTION,),
        "bystander": grammar.PRESENCES,
        "near miss": grammar.NEAR_MISSES,
    }
    known: set[str] | None = None
    if light is not None:
        known = {word for texts in (*lists, *groups.values()) for text in texts for word in text.split()}
        for word, _ in light.word_counts.most_common():
            if len(known) >= options.light_words:
                break
            known.add(word)
    groups.update({split: idle[split] for split in SPLIT_NUMBERS})
    return _tables(dict(zip(SLOTS, lists, strict=True)), groups, known)


def _with_kinds(names: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[str, ...]:
    return names + tuple(f"{kind} {name}" for kind in kinds for name in names)


def _tables(
    lists: Mapping[str, tuple[str, ...]], groups: Mapping[str, tuple[str, ...]], known: Set[str] | None
) -> World:
    """Number everything; words that are not known become <unk>, where not all are known."""
    phrases: list[str] = []
    first: dict[tuple[str, ...], int] = {}  # a list's phrases stand together, and slots share lists
    for choices in lists.values():
        if choices not in first:
            first[choices] = len(phrases)
            phrases.extend(choices)
    literals: dict[str, int] = {}
    sentences: dict[str, Sentences] = {}
    pieces: list[list[int]] = []
    for group, texts in groups.items():
        sentences[group] = Sentences(len(pieces), len(texts))
        pieces.extend(_pieces(text, literals, len(phrases)) for text in texts)
    phrases.extend(literals)

    numbers: dict[str, int] = {} if known is None else {UNKNOWN: 0}
    words = [
        [numbers.setdefault(word if known is None or word in known else UNKNOWN, len(numbers)) for word in text.split()]
        for text in phrases
    ]
    return World(
        tuple(numbers),
        lists["who"],
        Ragged.of(words),
        Ragged.of(pieces),
        np.array([first[lists[slot]] for slot in SLOTS]),
        np.array([len(lists[slot]) for slot in SLOTS]),
        sentences,
    )


def _pieces(text: str, literals: dict[str, int], first_literal: int) -> list[int]:
    """A sentence's phrases and slots, those between slots numbered on from `first_literal`."""
    pieces: list[int] = []
    for is_slot, run in groupby(text.split(), key=lambda word: word.startswith("{")):
        if is_slot:
            pieces.extend(-1 - SLOTS.index(slot.strip("{}")) for slot in run)
        else:
            pieces.append(first_literal + literals.setdefault(" ".join(run), len(literals)))
    return pieces
