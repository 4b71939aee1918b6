"""The file trace.npz of a text's trace: everything that was recorded, to be loaded with `numpy.load`, without pickle.

Names begin with the reading: `passage_0.` is the passage as it is, `passage_1.` and so on have words replaced, and
`limited.` is the passage with the span limited. T are the reading's symbols; steps count from its first, 0.

    symbols, targets              (T,)  int64; target -1: nothing is to be predicted
    is_first                      (T,)  bool: a new story begins, which sees nothing from before
    pieces                        (T,)  text: what each symbol shows as, see `rlmem.experiments.lm.passage`
    word_of                       (T,)  int64, the number of each symbol's word
    words                         (words,) text
    bits                          (T,)  float32, what the prediction after each symbol costs; NaN without a target
    predicted                     (T,)  int64, the likeliest target
    layer_0.span, .attention, .most_attention                (T,)  float32
    layer_0.expiry, .seen_until, .most_attention_at          (T,)  int64; all as in `text_trace.SymbolMemories`
    replaced.old, .new            ()    text: what was replaced by what
    replaced.old_places           (occurrences, 2) int64, first and one past the last symbol of each in passage_0
    replaced.new_places           (occurrences, 2) int64, likewise in this reading
    replaced.original             (T,)  int64, each symbol's counterpart in passage_0; -1 where it was put in
    steps                         ()    int64: the limit, of `limited.` alone
    difference                    (T,)  float32, bits with the limit less bits without it, likewise

`format` is 1, `kind` is "text", `passages` says how many there are, `has_learned_spans` whether each symbol has a span
of its own (else a span says for how long the kind shows a symbol), `target_names` names targets that are no symbols.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlmem.experiments.atomic_files import write_bytes
from rlmem.experiments.lm.replacement import Replacement
from rlmem.experiments.lm.text_readings import Readings
from rlmem.experiments.lm.text_trace import TextTrace

FORMAT = 1
LAYER_ARRAYS = ("span", "expiry", "seen_until", "attention", "most_attention", "most_attention_at")


def write_readings(path: Path, readings: Readings) -> None:
    """Write trace.npz; its folder exists."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **reading_arrays(readings))  # type: ignore[arg-type]  # names are no keyword of its own
    write_bytes(path, buffer.getvalue())


def reading_arrays(readings: Readings) -> dict[str, NDArray[Any]]:
    """All readings by the names of trace.npz."""
    named: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT),
        "kind": np.array("text"),
        "passages": np.array(1 + len(readings.replaced)),
        "has_learned_spans": np.array(readings.original.has_learned_spans),
        **_of_trace("passage_0.", readings.original),
    }
    if readings.spelling.target_names is not None:
        named["target_names"] = np.array(readings.spelling.target_names)
    for number, one in enumerate(readings.replaced, start=1):
        named |= _of_trace(f"passage_{number}.", one.trace)
        named |= _of_replacement(f"passage_{number}.replaced.", one.replacement)
    if readings.limited is not None:
        named |= _of_trace("limited.", readings.limited.trace)
        named["limited.steps"] = np.array(readings.limited.effect.steps)
        named["limited.difference"] = readings.limited.effect.difference
    return named


def _of_trace(prefix: str, trace: TextTrace) -> dict[str, NDArray[Any]]:
    passage = trace.passage
    named: dict[str, NDArray[Any]] = {
        "symbols": passage.symbols,
        "targets": passage.targets,
        "is_first": passage.is_first,
        "pieces": np.array(passage.pieces),
        "word_of": passage.word_of,
        "words": np.array(passage.words),
        "bits": trace.bits,
        "predicted": trace.predicted,
    }
    for number, layer in enumerate(trace.layers):
        named |= {f"layer_{number}.{name}": getattr(layer, name) for name in LAYER_ARRAYS}
    return {prefix + name: array for name, array in named.items()}


def _of_replacement(prefix: str, replacement: Replacement) -> dict[str, NDArray[Any]]:
    named: dict[str, NDArray[Any]] = {
        "old": np.array(replacement.old),
        "new": np.array(replacement.new),
        "old_places": replacement.old_places,
        "new_places": replacement.new_places,
        "original": replacement.original,
    }
    return {prefix + name: array for name, array in named.items()}
