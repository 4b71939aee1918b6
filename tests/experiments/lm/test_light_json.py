"""LIGHT's dialogues as the instruction task's text: what is read, what is refused."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from rlmem.errors import UsageError
from rlmem.experiments.lm.block import NO_ITEM, Split
from rlmem.experiments.lm.instruction import InstructionOptions, InstructionOracle, make_streams, symbol_names
from rlmem.experiments.lm.light_json import EXPECTED, read_light

NAMES = ("A Queen", "the court Jester", "guard", "Guard", "old, old fisherman", "knight who says that", "a x y z man")
SAID = (
    "Hello there, {}!",
    None,
    "The queen is here.",
    "Can you tell the guard that I am late?",
    "Farewell; it's {}!",
)


def dialogue(number: int) -> dict[str, Any]:
    """One of LIGHT's, of five turns, with keys that are not read."""
    return {
        "agents": [{"name": NAMES[number % 3], "persona": "..."}, {"name": NAMES[number % 7], "persona": "..."}],
        "setting": {"name": f"Tower {'north' if number % 2 else 'south'}", "category": "Castle", "description": "..."},
        "speech": [text and text.format(number) for text in SAID],
        "emote": [None, "laugh", None, None, None],
        "action": [None, None, f"get goblet {number}", None, None],
        "all_descriptions": {},
    }


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "light_data.json"
    file.write_text(json.dumps([dialogue(number) for number in range(60)]))
    return str(file)


def options_of(path: str, **rest: Any) -> InstructionOptions:
    sizes = {"num_characters": 3, "num_places": 2, "num_instructions": 1, "mean_distance": 12, "bystanders": 0.2}
    return InstructionOptions(light_json=path, **{**sizes, **rest})


def text_of(options: InstructionOptions, split: Split) -> str:
    block = make_streams(options, split, 1, 0).next_block(4_000)
    assert block is not None
    names = symbol_names(options)
    return " ".join(names[symbol] for symbol in block.inputs[0].tolist())


def test_names_and_utterances(path: str) -> None:
    light = read_light(path, 3, 2)
    assert set(light.characters) == {"queen", "court jester", "guard"}
    assert set(light.places) == {"tower north", "tower south"}
    valid = light.utterances["valid"]
    assert valid[:4] == (
        'the queen says , " hello there , 0 ! "',
        "the queen : laugh .",
        "the queen : get goblet 0 .",
        'the queen says , " farewell ; it\'s 0 ! "',
    )
    assert {int(number) for line in light.utterances["test"] for number in re.findall(r"\d+", line)} == {1, 21, 41}
    assert not set(valid) & set(light.utterances["train"]) - {line for line in valid if "laugh" in line}
    for lines in light.utterances.values():
        assert not any("is here ." in line or "can you tell" in line for line in lines)


def test_whose_turn_it_is_may_be_said(tmp_path: Path) -> None:
    file = tmp_path / "light_data.json"
    names = ["The Miller", "the miller", "A Maid", "maid", "Miller"]
    file.write_text(json.dumps([{**dialogue(number), "character": names} for number in range(20)]))
    lines = read_light(str(file), 1, 1).utterances["train"]
    assert 'the miller says , " hello there , 7 ! "' in lines
    assert "the miller : laugh ." in lines
    assert "the maid : get goblet 7 ." in lines
    file.write_text(json.dumps([{**dialogue(0), "character": names[:4]}]))
    with pytest.raises(UsageError, match="dialogue 0 is not as expected"):
        read_light(str(file), 1, 1)


def test_names_that_would_not_fit_are_left_out(path: str) -> None:
    with pytest.raises(UsageError, match="names 3 characters of at most 3 words, but --num-characters is 5"):
        read_light(path, 5, 2)


def test_the_task_speaks_with_its_voices(path: str) -> None:
    options = options_of(path)
    text = text_of(options, "train")
    assert 'court jester says , " hello there , 2 ! "' in text or "get goblet" in text
    assert "you tell the" in text
    assert "the butler" not in text
    assert "<unk>" not in text
    numbers = {split: set(re.findall(r"goblet (\d+)", text_of(options, split))) for split in ("valid", "test")}
    assert numbers["valid"] <= {"0", "20", "40"}
    assert numbers["test"] <= {"1", "21", "41"}


def test_rare_words_are_unknown_but_never_names(path: str) -> None:
    few = options_of(path, light_words=1)
    text = text_of(few, "valid")
    assert "<unk>" in text
    assert "farewell" not in text
    assert "farewell" in text_of(options_of(path), "valid")
    assert symbol_names(few)[0] == "<unk>"
    assert len(symbol_names(few)) < len(symbol_names(options_of(path)))
    requests = re.findall("can you tell the ([a-z ]+) that the ([a-z ]+) wants", text)
    assert {name for pair in requests for name in pair} == set(read_light(path, 3, 2).characters)


def test_the_oracle_answers_all(path: str) -> None:
    options = options_of(path, near_misses=0.3)
    stream, oracle = make_streams(options, "train", 2, 0), InstructionOracle(options, 2)
    block = stream.next_block(8_000)
    assert block is not None
    is_scored = block.item != NO_ITEM
    predicted = oracle.predict(block.inputs, block.is_first)
    assert is_scored.sum() > 100
    assert torch.equal(torch.where(is_scored, block.targets, -1), predicted)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("no json", "is no JSON ("),
        ("[]", "holds an empty list instead of dialogues"),
        ('{"train": []}', "holds an object instead of dialogues"),
        ("3", "holds a number, true, false or null instead of dialogues"),
        ('["hello"]', "dialogue 0 is not as expected (TypeError"),
        ('[{"text": "hello", "id": 3}]', "dialogue 0 is not as expected (KeyError: 'agents'; its keys: text, id)"),
        (json.dumps([dialogue(0), {**dialogue(1), "speech": ["hello"]}]), "dialogue 1 is not as expected (ValueError"),
        (json.dumps([{**dialogue(0), "emote": [1, 2, 3, 4, 5]}]), "(TypeError: 1 is no text"),
        (json.dumps([{**dialogue(0), "agents": []}]), "dialogue 0 has no agents"),
    ],
)
def test_files_of_another_shape(tmp_path: Path, content: str, part: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(UsageError) as refused:
        symbol_names(options_of(str(file)))
    assert part in str(refused.value)
    assert f"expected is {EXPECTED}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "light_data.pkl"
    file.write_bytes(pickle.dumps([dialogue(0)]))
    with pytest.raises(UsageError, match=r"is no UTF-8 text .* if it is ParlAI's pickle, write it as JSON first"):
        read_light(str(file), 3, 2)


def test_files_that_are_not_there_or_too_small(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match=r"nowhere.json cannot be read \(No such file or directory\)"):
        read_light("nowhere.json", 3, 2)
    file = tmp_path / "small.json"
    file.write_text(json.dumps([dialogue(0)]))
    with pytest.raises(UsageError, match="has no utterances for the train data; 20 dialogues or more"):
        read_light(str(file), 1, 1)
    with pytest.raises(UsageError, match="names 2 places of at most 3 words, but --num-places is 9"):
        read_light(path, 3, 9)
