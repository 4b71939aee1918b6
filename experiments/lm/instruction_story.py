"""Stories of the instruction task: when what is asked and done, and the text of it.

A chunk is a few stories of one row, put together in arrays over stories, instructions or sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rlmem.experiments.lm.block import NO_ITEM, Split
from rlmem.experiments.lm.generated_stream import Bools, Chunk, Floats, Ints
from rlmem.experiments.lm.instruction_options import InstructionOptions
from rlmem.experiments.lm.instruction_world import SLOTS, THIRD, WHO, WHOM, World

_CHUNK = 400  # sentences, about


@dataclass(frozen=True)
class _Plan:
    """Who is to be told what, and when: all (story, instruction) but `strangers`.

    Args:
        targets: the characters to be told, by number; different ones in a story.
        senders: who wants to see them.
        received: idle sentences before the request.
        executed: idle sentences before the execution.
        strangers: (story, others), the characters whom nothing is to be told.
    """

    targets: Ints
    senders: Ints
    received: Ints
    executed: Ints
    strangers: Ints


class InstructionSource:
    """Stories of one split; a chunk is a few whole stories.

    Args:
        options: of the task.
        world: its tables.
        split: whose idle sentences are taken, where splits differ in them.
    """

    def __init__(self, options: InstructionOptions, world: World, split: Split) -> None:
        self._options, self._world, self._split = options, world, split

    def start(self, rng: np.random.Generator) -> Floats:
        """Nothing."""
        return np.zeros(0)

    def make_chunk(self, rng: np.random.Generator, carry: Floats) -> tuple[Chunk, Floats]:
        """The next stories of a row."""
        plan = self._plan(rng)
        num_idle = plan.executed.max(axis=1)  # (story,)
        num_stories, num_instructions = plan.targets.shape
        num_told = plan.targets.size
        idle_story = np.repeat(np.arange(num_stories), num_idle)
        told_story = np.repeat(np.arange(num_stories), num_instructions)
        story = np.concatenate([idle_story, told_story, told_story, told_story])
        sentences, fills = self._sentences(rng, plan, idle_story)

        # idle sentence j of a story comes at 2 j + 1, what happens after j of them at 2 j, in any order; but a presence
        # comes right before its execution
        index = np.arange(len(idle_story)) - np.repeat(np.cumsum(num_idle) - num_idle, num_idle)
        received, executed = 2 * plan.received.ravel(), 2 * plan.executed.ravel()
        time = np.concatenate([2 * index + 1, received, executed, executed])
        tie = rng.random(len(story))
        tie[-num_told:] = tie[-2 * num_told : -num_told]
        order = np.lexsort((np.arange(len(story)), tie, time, story))

        words, lengths = self._world.text(sentences[order], fills[order])
        begins = np.empty(len(order), np.int64)  # of each sentence, in the order before sorting: its first word
        begins[order] = np.cumsum(lengths) - lengths
        sizes = np.empty_like(begins)
        sizes[order] = lengths
        first_of_story = np.append(np.flatnonzero(np.diff(story[order])) + 1, 0)
        is_first = np.zeros(len(words), bool)
        is_first[begins[order][first_of_story]] = True
        requests, executions = np.split(begins[-3 * num_told :], 3)[::2]
        chunk = _chunk(words, is_first, requests, executions, sizes[-num_told:])
        if self._options.trained == "executions":
            chunk = replace(chunk, is_trained=chunk.item != NO_ITEM)
        return chunk, carry

    def _plan(self, rng: np.random.Generator) -> _Plan:
        options, mean = self._options, self._mean_distance(rng)
        num = max(1, round(_CHUNK / (2 * mean + 3 * options.num_instructions)))  # of stories
        cast = rng.permuted(np.tile(np.arange(options.num_characters), (num, 1)), axis=1)
        targets, strangers = np.split(cast, [options.num_instructions], axis=1)
        received = rng.integers(0, mean + 1, targets.shape)
        most = 2 * mean - options.min_distance
        distances = rng.integers(options.min_distance, most + 1, targets.shape)
        return _Plan(targets, self._another(rng, targets), received, received + distances, strangers)

    def _mean_distance(self, rng: np.random.Generator) -> int:
        """Of the next stories, in sentences."""
        options = self._options
        if self._split == "train" and options.short_stories and rng.random() < options.short_stories:
            return options.min_distance
        return options.mean_distance

    def _another(self, rng: np.random.Generator, characters: Ints) -> Ints:
        """Characters other than these, one each."""
        num = self._options.num_characters
        return (characters + rng.integers(1, num, characters.shape)) % num

    def _sentences(self, rng: np.random.Generator, plan: _Plan, idle_story: Ints) -> tuple[Ints, Ints]:
        """All sentences and what fills their slots: idle ones, requests, presences, executions."""
        options, kinds = self._options, self._world.sentences
        num_idle, num_told = len(idle_story), plan.targets.size
        lot = rng.random(num_idle)
        is_stranger = lot < options.bystanders
        is_near_miss = (lot >= options.bystanders) & (lot < options.bystanders + options.near_misses)
        idle = kinds[self._split].draw(rng, num_idle)
        idle = np.where(is_stranger, kinds["bystander"].draw(rng, num_idle), idle)
        idle = np.where(is_near_miss, kinds["near miss"].draw(rng, num_idle), idle)
        told = [kinds[kind].draw(rng, num_told) for kind in ("request", "presence", "execution")]
        sentences = np.concatenate([idle, *told])

        stranger = plan.strangers[idle_story, rng.integers(0, plan.strangers.shape[1], num_idle)]
        anybody = rng.integers(0, options.num_characters, num_idle)
        who = np.concatenate([np.where(is_stranger, stranger, anybody), *[plan.targets.ravel()] * 3])
        whom = self._another(rng, who)
        whom[num_idle:] = np.tile(plan.senders.ravel(), 3)
        fills = rng.integers(0, self._world.num_phrases, (len(sentences), len(SLOTS)))
        fills[:, WHO], fills[:, WHOM], fills[:, THIRD] = who, whom, self._another(rng, who)
        return sentences, fills + self._world.first_phrase


def _chunk(words: Ints, is_first: Bools, requests: Ints, executions: Ints, lengths: Ints) -> Chunk:
    """Words as a chunk: every next word is trained but across stories, and executions are scored.

    Args:
        words: (word,).
        is_first: (word,) bool.
        requests: (instruction,), the first word of each request.
        executions: (instruction,), the first word of each execution.
        lengths: (instruction,), its words.
    """
    order = np.argsort(executions)
    requests, executions, lengths = requests[order], executions[order], lengths[order]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = np.repeat(executions - 1, lengths) + within  # of the predictions: a word is predicted from the one before
    item = np.full(len(words), NO_ITEM)
    item[places] = np.repeat(np.arange(len(lengths)), lengths)
    remaining = np.zeros(len(words), np.int64)
    remaining[places] = np.repeat(lengths - 1, lengths) - within
    reach = np.zeros(len(words), np.int64)
    reach[executions - 1] = executions - 1 - requests
    targets = np.append(words[1:], 0)
    is_trained = np.append(~is_first[1:], False)
    return Chunk(words, targets, is_trained, item, is_first, remaining, reach)
