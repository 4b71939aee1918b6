"""The symbols of a text task: which number stands for which byte, character or word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rlmem.errors import UsageError, check

Unit = Literal["byte", "character", "word"]
UNKNOWN = "<unk>"
END_OF_LINE = "<eos>"


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of a text, saved with the run that was trained on them.

    Args:
        unit: what a symbol stands for.
        symbols: the name of each symbol, by its number; no two alike. A byte that is no printable ASCII character is
            written as \\x and two hexadecimal digits.
        unknown: the number of the symbol that stands for all that the training text does not hold, or None where
            nothing is unknown.
    """

    unit: Unit
    symbols: tuple[str, ...]
    unknown: int | None

    @property
    def num_symbols(self) -> int:
        """How many symbols there are, the unknown one included."""
        return len(self.symbols)

    def to_json(self) -> dict[str, Any]:
        """As a value that JSON can hold."""
        return {"unit": self.unit, "unknown": self.unknown, "symbols": list(self.symbols)}

    @classmethod
    def from_json(cls, value: Any) -> Vocabulary:
        """The inverse of `to_json`.

        Raises:
            UsageError: the value is no vocabulary.
        """
        try:
            unit, unknown, symbols = value["unit"], value["unknown"], tuple(value["symbols"])
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"this is no vocabulary ({type(error).__name__}: {error}); use the file that the run wrote"
            ) from error
        check(unit in Unit.__args__, f"the vocabulary's unit {unit!r} is unknown")  # type: ignore[attr-defined]
        check(all(isinstance(symbol, str) for symbol in symbols), "the vocabulary holds a symbol that is no text")
        check(len(set(symbols)) == len(symbols), "the vocabulary holds the same symbol twice")
        is_symbol = isinstance(unknown, int) and 0 <= unknown < len(symbols)
        check(unknown is None or is_symbol, f"the vocabulary's unknown symbol {unknown!r} is none of its symbols")
        return cls(unit, symbols, unknown)

    def check_same(self, other: Vocabulary) -> None:
        """Refuse a checkpoint that was trained on other symbols.

        Args:
            other: the checkpoint's vocabulary.

        Raises:
            UsageError: the two differ; the message names the first difference.
        """
        advice = "use the data that the run was trained on"
        check(
            self.unit == other.unit,
            f"the data's symbols are {self.unit}s, but the checkpoint's are {other.unit}s; {advice}",
        )
        for number, (here, there) in enumerate(zip(self.symbols, other.symbols, strict=False)):
            check(
                here == there,
                f"the data's vocabulary differs from the checkpoint's: symbol {number} is {here!r} in the data and "
                f"{there!r} in the checkpoint; {advice}",
            )
        check(
            self.num_symbols == other.num_symbols,
            f"the data's vocabulary has {self.num_symbols:,} symbols, but the checkpoint's has {other.num_symbols:,}; "
            f"{advice}",
        )
        check(
            self.unknown == other.unknown,
            f"the data's vocabulary has symbol {self.unknown} for what is unknown, but the checkpoint's has "
            f"{other.unknown}; {advice}",
        )


def _byte_name(byte: int) -> str:
    is_plain = 0x20 <= byte < 0x7F and chr(byte) != "\\"
    return chr(byte) if is_plain else f"\\x{byte:02x}"


BYTES = Vocabulary("byte", tuple(map(_byte_name, range(256))), None)
"""Every byte is a symbol, so that none is unknown in any text."""
