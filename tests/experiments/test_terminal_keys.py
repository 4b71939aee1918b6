"""Keys from a terminal, which a pseudo-terminal stands for, and from a pipe."""

from __future__ import annotations

import io
import os
import termios
from itertools import islice

import pytest

from rlmem.experiments.terminal_keys import read_keys


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1bOA1r", ["up", "1", "r"]),
        (b"\x1b[5~\x1b[6~ \t\nQ", ["page up", "page down", "space", "tab", "return", "q"]),
        (b"\x1b[3~x", ["x"]),  # a sequence that means nothing here
        (b"\x1b", ["escape"]),
        (b"\x1b\x1b", ["escape"]),
    ],
)
def test_single_keys_of_a_terminal(typed: bytes, expected: list[str]) -> None:
    theirs, ours = os.openpty()
    try:
        before = termios.tcgetattr(ours)
        before[3] &= ~termios.ICANON  # what is typed ahead is then there at once
        termios.tcsetattr(ours, termios.TCSADRAIN, before)
        before = termios.tcgetattr(ours)
        os.write(theirs, typed)
        with open(ours, closefd=False) as stream:
            keys = read_keys(stream)
            assert list(islice(keys, len(expected))) == expected
            assert not termios.tcgetattr(ours)[3] & termios.ECHO
            keys.close()  # type: ignore[attr-defined]  # it is a generator
        assert termios.tcgetattr(ours) == before
    finally:
        os.close(theirs)
        os.close(ours)


def test_words_of_a_pipe() -> None:
    assert list(read_keys(io.StringIO("Up right\n\n 3 toggle\nq"))) == ["up", "right", "3", "toggle", "q"]
