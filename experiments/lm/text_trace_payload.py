"""What the page of a text's trace shows, as plain values for JSON.

Numbers by symbol are base64 of little-endian float32 or int32. Payloads have the format 1 of `kind` "text".
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlmem.experiments.lm.passage import Spelling
from rlmem.experiments.lm.text_readings import Readings
from rlmem.experiments.lm.text_summary import context_of
from rlmem.experiments.lm.text_trace import SymbolMemories, TextTrace
from rlmem.experiments.lm.word_spans import word_spans

FORMAT = 1
PAGE_SYMBOLS = 20_000
"""A page shows so many symbols of a passage at most, its first ones; trace.npz holds all."""
_LISTED_WORDS = 40


@dataclass(frozen=True)
class TextContext:
    """What the page says beside a trace.

    Args:
        title: of the page.
        task: name of the task.
        memory: the kind.
        max_span: L, in steps.
        ramp: R, in steps; 0 where the kind has none.
    """

    title: str
    task: str
    memory: str
    max_span: int
    ramp: int


def readings_payload(readings: Readings, context: TextContext, page_symbols: int = PAGE_SYMBOLS) -> dict[str, Any]:
    """All readings of a passage for `text_trace_page.render_text_page`.

    Args:
        readings: of the passage.
        context: what to say beside them.
        page_symbols: how many symbols of each are shown at most.
    """
    spelling = readings.spelling
    passages = [
        {"name": name, **_passage_payload(trace, spelling, page_symbols)}
        for name, trace in zip(readings.names, readings.traces, strict=True)
    ]
    for number, one in enumerate(readings.replaced, start=1):
        places = one.replacement.new_places
        passages[number]["original"] = _ints(one.replacement.original[:page_symbols])
        passages[number]["places"] = places.tolist()
    payload: dict[str, Any] = {
        "format": FORMAT,
        "kind": "text",
        **asdict(context),
        "unit": spelling.vocabulary.unit,
        "joiner": spelling.joiner,
        "is_next_symbol": spelling.target_names is None,
        "has_learned_spans": readings.original.has_learned_spans,
        "passages": passages,
        "replacements": [_replacement_payload(readings, number) for number in range(len(readings.replaced))],
        "limit": _limit_payload(readings),
    }
    if readings.limited is not None:
        passages[-1]["difference"] = _floats(readings.limited.effect.difference[:page_symbols])
    return payload


def _passage_payload(trace: TextTrace, spelling: Spelling, page_symbols: int) -> dict[str, Any]:
    passage, shown = trace.passage, slice(0, page_symbols)
    num_words = int(passage.word_of[shown][-1]) + 1
    names, (target, predicted) = _named(spelling, passage.targets[shown], trace.predicted[shown])
    return {
        "length": passage.length,
        "pieces": list(passage.pieces[shown]),
        "words": list(passage.words[:num_words]),
        "word_of": _ints(passage.word_of[shown]),
        "story_start": _ints(passage.story_start[shown]),
        "names": names,
        "target": target,
        "predicted": predicted,
        "bits": _floats(trace.bits[shown]),
        "bits_mean": trace.bits_mean,
        "layers": [_layer_payload(trace, number, shown) for number in range(len(trace.layers))],
    }


def _layer_payload(trace: TextTrace, number: int, shown: slice) -> dict[str, Any]:
    layer: SymbolMemories = trace.layers[number]
    ranked = word_spans(trace.passage, layer.span) if trace.has_learned_spans else []
    return {
        "span": _floats(layer.span[shown]),
        "expiry": _ints(layer.expiry[shown]),
        "seen_until": _ints(layer.seen_until[shown]),
        "attention": _floats(layer.attention[shown]),
        "most": _floats(layer.most_attention[shown]),
        "most_at": _ints(layer.most_attention_at[shown]),
        "words": [asdict(one) for one in ranked[:_LISTED_WORDS]],
        "num_words": len(ranked),
    }


def _replacement_payload(readings: Readings, number: int) -> dict[str, Any]:
    reading, original = readings.replaced[number], readings.original.passage
    return {
        "passage": number + 1,
        "old": reading.replacement.old,
        "new": reading.replacement.new,
        "old_places": reading.replacement.old_places.tolist(),
        "new_places": reading.replacement.new_places.tolist(),
        "layers": [
            {
                "before": layer.before_mean,
                "after": layer.after_mean,
                "elsewhere_mean": layer.elsewhere_mean,
                "elsewhere": [
                    {**asdict(one), "word": original.words[int(original.word_of[one.original_step])]}
                    for one in layer.elsewhere_largest
                ],
            }
            for layer in reading.layers
        ],
    }


def _limit_payload(readings: Readings) -> dict[str, Any] | None:
    if readings.limited is None:
        return None
    effect, trace = readings.limited.effect, readings.original
    return {
        "steps": effect.steps,
        "bits_before": effect.bits_before,
        "bits_after": effect.bits_after,
        "right_before": effect.num_right_before,
        "right_after": effect.num_right_after,
        "num_targets": effect.num_targets,
        "worst": [
            {
                "step": step,
                "context": context_of(trace.passage, step),
                "target": readings.spelling.target_text(int(trace.passage.targets[step])),
                "before": float(trace.bits[step]),
                "after": float(readings.limited.trace.bits[step]),
            }
            for step in effect.worst
        ],
    }


def _named(spelling: Spelling, *numbers: NDArray[np.int64]) -> tuple[list[str], list[str]]:
    """The names of some targets, and each of the arrays (length,) as places in that list."""
    distinct, places = np.unique(np.concatenate(numbers), return_inverse=True)
    parts = np.split(places, len(numbers))
    return [spelling.target_text(int(one)) for one in distinct], [_ints(part) for part in parts]


def _floats(values: NDArray[Any]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _ints(values: NDArray[Any]) -> str:
    return base64.b64encode(values.astype("<i4").tobytes()).decode()
