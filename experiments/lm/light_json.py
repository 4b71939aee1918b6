"""Characters, places and utterances out of LIGHT's dialogues (Urbanek et al. 2019), for those who have them.

ParlAI's task `light_dialog` downloads them as a pickle, `light_data.pkl`: a list of dialogues, each a dictionary, with
lists of equal length for what was said, shown and done in each turn. A pickle runs code when it is read, so it is read
here as JSON, which `json.dump(pickle.load(...), ...)` makes of it. Of each dialogue these are read:

    agents    list of {"name": ...}
    character list of names, one a turn: whose turn it is; where it is missing, agents take turns, the first one first
    setting   {"name": ...}, the place
    speech    list, one a turn: text, or null
    emote     list, one a turn: a gesture such as "laugh", or null
    action    list, one a turn: a command such as "get goblet", or null

A dialogue's utterances go to one split only: of 20 dialogues, one to valid, one to test, 18 to training.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from rlmem.errors import UsageError, check, flag
from rlmem.experiments.lm.block import Split

EXPECTED = (
    "a list of LIGHT's dialogues, each an object with agents (a list of objects with a name), setting (an object with "
    "a name), and speech, emote and action (lists of texts or nulls, one a turn)"
)
_TURNS = ("speech", "emote", "action")
_SPLITS: tuple[Split, ...] = ("valid", "test", *("train",) * 18)
_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*|[0-9]+|[.,!?;:\"]")
_NOT_IN_A_NAME = frozenset(("the", "that", "is", "here", "wants", "to", "see", "them", "tell", "can", "you", "and"))
_LONGEST_NAME = 3  # words
_LONGEST_UTTERANCE = 60  # words; longer ones are left out
_MEANINGFUL = re.compile(r"is here \.|can you tell|wants to see them")  # only the task's own sentences may say it


@dataclass(frozen=True)
class Light:
    """What the instruction task takes from LIGHT.

    Args:
        characters: names, the commonest first, words in lower case.
        places: names, the commonest first.
        utterances: by split; each a line of words, with who said, showed or did it.
        word_counts: how often each word is in the utterances.
    """

    characters: tuple[str, ...]
    places: tuple[str, ...]
    utterances: Mapping[Split, tuple[str, ...]]
    word_counts: Counter[str]


def read_light(path: str, num_characters: int, num_places: int) -> Light:
    """Read a file of dialogues.

    Args:
        path: of the file.
        num_characters: how many are wanted, the commonest ones.
        num_places: how many are wanted, the commonest ones.

    Raises:
        UsageError: there is no such file, it is no JSON, it has another shape, or it holds fewer characters, places or
            dialogues than are needed.
    """
    characters: Counter[str] = Counter()
    places: Counter[str] = Counter()
    utterances: dict[Split, dict[str, None]] = {"train": {}, "valid": {}, "test": {}}  # in order, without repetition
    for number, dialogue in enumerate(_load(path)):
        agents, place, turns = _dialogue(path, number, dialogue)
        characters.update(filter(None, agents))
        places.update(filter(None, [place]))
        for turn in turns:
            utterances[_SPLITS[number % len(_SPLITS)]].update(dict.fromkeys(_lines(*turn)))
    for split, lines in utterances.items():
        check(bool(lines), f"{path} has no utterances for the {split} data; 20 dialogues or more make three splits")
    lists = {split: tuple(lines) for split, lines in utterances.items()}
    return Light(
        _commonest(path, "characters", characters, num_characters),
        _commonest(path, "places", places, num_places),
        lists,
        Counter(word for lines in lists.values() for line in lines for word in line.split()),
    )


def _load(path: str) -> list[Any]:
    try:
        with Path(path).open(encoding="utf-8") as file:
            dialogues = json.load(file)
    except OSError as error:
        raise UsageError(f"--light-json {path} cannot be read ({error.strerror}); give the path of a file") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is no UTF-8 text ({error}); if it is ParlAI's pickle, write it as JSON first: "
            f"expected is {EXPECTED}"
        ) from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is no JSON ({error}); expected is {EXPECTED}") from error
    check(
        isinstance(dialogues, list) and bool(dialogues),
        f"{path} holds {_kind(dialogues)} instead of dialogues; expected is {EXPECTED}",
    )
    return list(dialogues)


def _dialogue(path: str, number: int, dialogue: Any) -> tuple[list[str], str, list[tuple[str, str, str, str]]]:
    """Names of who is there and of the place, empty where they do not fit; and the turns, cleaned: whose, and what."""
    try:
        agents = [_name(agent["name"]) for agent in dialogue["agents"]]
        place = _name(dialogue["setting"]["name"])
        columns = [[_clean(text) for text in dialogue[name]] for name in _TURNS]
        speakers = [_name(name) for name in dialogue.get("character", ())]
        if "character" not in dialogue and agents:
            speakers = list(islice(cycle(agents), len(columns[0])))
        turns = list(zip(speakers, *columns, strict=True)) if agents else []
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        keys = ", ".join(map(str, dialogue)) if isinstance(dialogue, dict) else "none"
        raise UsageError(
            f"{path}: dialogue {number} is not as expected ({type(error).__name__}: {error}; its keys: {keys}); "
            f"expected is {EXPECTED}"
        ) from error
    check(bool(agents), f"{path}: dialogue {number} has no agents; expected is {EXPECTED}")
    return agents, place, turns


def _clean(text: str | None) -> str:
    """Words and punctuation in lower case, a space between any two; empty for null."""
    if text is None:
        return ""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    return " ".join(_WORD.findall(text.lower()))


def _name(text: str) -> str:
    """A name in lower case without its article, or nothing where it would not fit the task's sentences."""
    words = _clean(text).split()
    if words and words[0] in ("a", "an", "the"):
        words = words[1:]
    is_plain = all(word[0].isalpha() and word not in _NOT_IN_A_NAME for word in words)
    return " ".join(words) if is_plain and len(words) <= _LONGEST_NAME else ""


def _lines(speaker: str, speech: str, emote: str, action: str) -> Iterator[str]:
    """The sentences that a turn makes, those of them that cannot be taken for the task's own."""
    who = f"the {speaker}" if speaker else "somebody"
    said = [f'{who} says , " {speech} "'] if speech else []
    done = [f"{who} : {deed} ." for deed in (emote, action) if deed]
    for line in said + done:
        if not _MEANINGFUL.search(line) and len(line.split()) <= _LONGEST_UTTERANCE:
            yield line


def _commonest(path: str, what: str, counts: Counter[str], wanted: int) -> tuple[str, ...]:
    check(
        len(counts) >= wanted,
        f"{path} names {len(counts)} {what} of at most {_LONGEST_NAME} words, but {flag('num_' + what)} is {wanted}; "
        "ask for fewer",
    )
    return tuple(name for name, _ in counts.most_common(wanted))


def _kind(value: Any) -> str:
    names = {"list": "an empty list", "dict": "an object", "str": "a text"}
    return names.get(type(value).__name__, "a number, true, false or null")
