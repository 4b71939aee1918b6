"""Keys typed into a terminal, one at a time; or words of a file or pipe, line by line."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from typing import TextIO

_SEQUENCES = {  # what terminals send, without the escape in front
    "[A": "up", "[B": "down", "[C": "right", "[D": "left", "OA": "up", "OB": "down", "OC": "right", "OD": "left",
    "[5~": "page up", "[6~": "page down",
}  # fmt: skip
_CHARACTERS = {" ": "space", "\t": "tab", "\r": "return", "\n": "return", "\x04": "q"}  # Ctrl-D ends input
_SEQUENCE_SECONDS = 0.05  # after an escape, within which the rest of a sequence comes


def read_keys(stream: TextIO | None = None) -> Iterator[str]:
    """Keys by pygame's names, until the input ends.

    Args:
        stream: a terminal, of which single keys are read, or anything else, of which words are: a key's or an action's
            name each, lower case. None: standard input.
    """
    stream = sys.stdin if stream is None else stream
    if not stream.isatty():
        for line in stream:
            yield from line.lower().split()
        return
    yield from _read_terminal(stream.fileno())


def _read_terminal(descriptor: int) -> Iterator[str]:
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)  # no line buffer and no echo; Ctrl-C still interrupts
    try:
        while character := os.read(descriptor, 1).decode(errors="replace"):
            if character == "\x1b":
                sequence = _read_sequence(descriptor)
                if key := _SEQUENCES.get(sequence, "" if sequence else "escape"):
                    yield key
            else:
                yield _CHARACTERS.get(character, character.lower())
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read_sequence(descriptor: int) -> str:
    """What follows an escape at once; "" if it was the key itself."""
    sequence = ""
    while select.select([descriptor], [], [], _SEQUENCE_SECONDS)[0]:
        character = os.read(descriptor, 1).decode(errors="replace")
        if character in ("", "\x1b"):  # the end, or a second escape
            break
        sequence += character
        if len(sequence) > 1 and (sequence[-1].isalpha() or sequence[-1] == "~"):
            break
    return sequence
