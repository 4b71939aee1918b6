"""The instruction task: its text, who is told what and when, its options and horizon."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm import instruction_grammar as grammar
from rlmem.experiments.lm.instruction import (
    PAPER_OPTIONS,
    InstructionOptions,
    chance,
    horizon,
    make_streams,
    symbol_names,
)
from rlmem.experiments.lm.instruction_world import SLOTS

REQUEST = r"can you tell the ([a-z -]+) that the ([a-z -]+) wants to see them \?"
EXECUTION = r'the ([a-z -]+) is here \. you tell the ([a-z -]+) " ([a-z -]+) wants to see you ! "'


def stories(options: InstructionOptions, num_words: int, seed: int = 0) -> list[str]:
    """Whole stories of a row, as text."""
    names = np.array(symbol_names(options))
    block = make_streams(options, "train", 1, seed).next_block(num_words)
    assert block is not None
    words = names[block.inputs[0].numpy()]
    begins = block.is_first[0].nonzero()[:, 0].tolist()
    return [" ".join(words[first:last]) for first, last in itertools.pairwise(begins)]


@pytest.mark.parametrize(
    "options",
    [
        InstructionOptions(),
        InstructionOptions(num_characters=300, num_instructions=7, mean_distance=12, min_distance=4),
    ],
)
def test_every_request_is_executed_once_and_nothing_else_is(options: InstructionOptions) -> None:
    texts = stories(options, 60_000)
    assert len(texts) > 50
    for text in texts:
        requests = re.findall(REQUEST, text)
        executions = re.findall(EXECUTION, text)
        assert len(requests) == len({who for who, _ in requests}) == options.num_instructions
        assert all(here == told for here, told, _ in executions)
        assert sorted((told, sender) for _, told, sender in executions) == sorted(requests)
        assert len(re.findall("(?<!can )you tell the", text)) == len(executions)
        for who, whom in requests:
            assert who != whom
            asked = text.index(f"can you tell the {who} that the {whom} wants to see them")
            assert asked < text.index(f"is here . you tell the {who} ")


def test_several_instructions_wait_at_once() -> None:
    waiting = []
    for text in stories(InstructionOptions(), 30_000):
        events = re.findall("wants to see them|wants to see you", text)
        waiting.append(max(np.cumsum([1 if event.endswith("them") else -1 for event in events])))
    assert max(waiting) == 3
    assert np.mean(waiting) > 1.8


def test_distance_is_counted_in_idle_sentences() -> None:
    options = InstructionOptions(
        num_sentences=1, num_deeds=1, num_instructions=1, mean_distance=10, min_distance=6, near_misses=0, bystanders=0
    )
    before, between = [], []
    for text in stories(options, 60_000):
        start, request, rest = re.split(f"({REQUEST.replace('(', '(?:')})", text)
        before.append(start.count("laughs ."))
        between.append(rest.count("laughs ."))
        assert request
    assert set(before) == set(range(11))
    assert set(between) == set(range(6, 15))
    assert np.mean(between) == pytest.approx(10, abs=0.3)


def test_short_stories_are_a_share_of_the_training_text_alone() -> None:
    options = InstructionOptions(short_stories=0.5, min_distance=2)
    lengths = np.array([len(text.split()) for text in stories(options, 60_000)])
    is_short = lengths < 200  # 15 to 18 sentences, the others 30 to 60
    assert 0.4 < lengths[is_short].sum() / lengths.sum() < 0.6
    assert horizon(options) == horizon(InstructionOptions(min_distance=2))


def test_idle_sentences_look_like_requests_and_presences() -> None:
    texts = stories(InstructionOptions(near_misses=0.3, bystanders=0.2), 60_000)
    text = " ".join(texts)
    for sentence in grammar.NEAR_MISSES:
        pattern = re.escape(sentence).replace(r"\ ", " ")
        assert re.search(re.sub(r"\\{[a-z]+\\}", "[a-z ,-]+", pattern), text), sentence
    presences = len(re.findall("is here [.]", text))
    executions = len(re.findall("is here [.] you tell", text))
    assert presences > 2 * executions
    none = " ".join(stories(InstructionOptions(near_misses=0, bystanders=0), 60_000))
    assert len(re.findall("is here [.]", none)) == len(re.findall("is here [.] you tell", none))
    assert "was here" not in none


def test_every_slot_is_filled_from_its_list() -> None:
    for sentence in (*grammar.DISTRACTORS, *grammar.NEAR_MISSES, *grammar.REQUESTS, *grammar.PRESENCES):
        assert set(re.findall(r"{([a-z]+)}", sentence)) <= set(SLOTS)
    text = " ".join(stories(PAPER_OPTIONS, 150_000))
    assert "{" not in text
    for names in (grammar.DEEDS, grammar.MEETINGS, grammar.USES, grammar.SKIES, grammar.MOODS, grammar.THINGS):
        assert all(name in text for name in names)


def test_paper_size_has_variety() -> None:
    text = " ".join(stories(PAPER_OPTIONS, 150_000))
    assert len(set(re.findall(r"you tell the ([a-z -]+) \"", text))) > 20
    assert len(set(re.findall(r"the ([a-z]+ [a-z]+) is", text))) > 200
    assert len(symbol_names(PAPER_OPTIONS)) > 500


def test_lists_hold_no_name_twice_and_no_word_of_the_frames() -> None:
    for names in (grammar.ROLES, grammar.ROLE_KINDS, grammar.PLACES, grammar.PLACE_KINDS, grammar.THINGS):
        assert len(set(names)) == len(names)
    frames = " ".join((grammar.REQUEST, grammar.PRESENCE, grammar.EXECUTION)).split()
    assert not set(grammar.ROLES + grammar.ROLE_KINDS) & set(frames)


def test_chance_is_one_of_the_others() -> None:
    assert chance(InstructionOptions()) == 1 / 9
    texts = " ".join(stories(InstructionOptions(), 200_000))
    pairs = re.findall(EXECUTION, texts)
    senders = [sender for _, told, sender in pairs if told == "butler"]
    share = max(senders.count(name) for name in senders) / len(senders)
    assert len(senders) > 40
    assert 1 / 9 <= share < 0.3


def test_words_are_trained_but_the_next_story_s_first() -> None:
    block = make_streams(InstructionOptions(trained="all"), "train", 2, 0).next_block(3_000)
    assert block is not None
    assert (block.targets[:, :-1] == block.inputs[:, 1:])[block.is_trained[:, :-1]].all()
    assert (block.is_trained[:, :-1] == ~block.is_first[:, 1:]).all()


def test_only_executions_are_trained_where_that_is_asked_for() -> None:
    every, few = (
        make_streams(InstructionOptions(trained=trained), "train", 2, 0).next_block(3_000)
        for trained in ("all", "executions")
    )
    assert every is not None
    assert few is not None
    assert (few.inputs == every.inputs).all()
    assert (few.is_trained == (every.item >= 0)).all()


def test_horizon_grows_with_the_distance() -> None:
    small, paper = horizon(InstructionOptions()), horizon(PAPER_OPTIONS)
    assert 200 < small.mean < 350 < small.max < 700
    assert 9_000 < paper.mean < 15_000, "950 sentences of 12 words or so"
    assert horizon(InstructionOptions(mean_distance=60)).mean > 1.5 * small.mean


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_characters": 0}, "--num-characters is 0, but it must be from 1 to 1,177"),
        ({"num_characters": 1_178}, "--num-characters is 1178, but it must be from 1 to 1,177"),
        ({"num_places": 621}, "--num-places is 621, but it must be from 1 to 620"),
        ({"num_things": 99}, "--num-things is 99, but it must be from 1 to 98"),
        ({"num_deeds": 41}, "--num-deeds is 41, but it must be from 1 to 40"),
        ({"num_sentences": 0}, "--num-sentences is 0, but it must be from 1 to 40"),
        ({"num_instructions": 0}, "--num-instructions is 0, but it must be at least 1"),
        ({"num_characters": 4}, "--num-characters is 4, but 3 instructions a story need 5 or more"),
        ({"min_distance": 0}, "--min-distance is 0, but it must be at least 1"),
        ({"short_stories": 1.5}, "--short-stories is 1.5, but a share is from 0 to 1"),
        ({"mean_distance": 3, "min_distance": 4}, "--mean-distance is 3, but it must be at least --min-distance (4)"),
        ({"near_misses": -0.5}, "--near-misses is -0.5, but a share is from 0 to 1"),
        ({"bystanders": 1.5}, "--bystanders is 1.5, but a share is from 0 to 1"),
        ({"near_misses": 0.6, "bystanders": 0.6}, "--near-misses and --bystanders are 0.6 and 0.6, but"),
        ({"trained": "none"}, "--trained is 'none', but it must be all or executions"),
        ({"eval_symbols": 0}, "--eval-symbols is 0, but it must be at least 1"),
        ({"light_words": 0}, "--light-words is 0, but it must be at least 1"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        InstructionOptions(**wrong)
