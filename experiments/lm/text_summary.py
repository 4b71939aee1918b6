"""What a text's trace came to, as plain figures for summary.json and as lines to be printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rlmem.experiments.lm.passage import Passage, Spelling
from rlmem.experiments.lm.replacement import ChangedSymbol
from rlmem.experiments.lm.text_readings import LimitedReading, Readings, ReplacedReading
from rlmem.experiments.lm.text_trace import TextTrace
from rlmem.experiments.lm.word_spans import word_spans

_CONTEXT_SYMBOLS = 24
_CONTEXT_WORDS = 5


def readings_summary(readings: Readings, num_words: int = 12) -> dict[str, Any]:
    """All readings, JSON-able; spans and attention in steps, costs in bits.

    Args:
        readings: of a passage.
        num_words: how many words are listed a layer.
    """
    trace = readings.original
    summary: dict[str, Any] = {
        "symbols": trace.passage.length,
        "stories": 1 + int(trace.passage.is_first[1:].sum()),
        "predictions": int(trace.is_scored.sum()),
        "bits_mean": trace.bits_mean,
        "has_learned_spans": trace.has_learned_spans,
        "layers": [_layer_summary(trace, layer, num_words) for layer in range(len(trace.layers))],
    }
    if readings.replaced:
        summary["replaced"] = [_replaced_summary(one, trace.passage) for one in readings.replaced]
    if readings.limited is not None:
        summary["limited"] = _limited_summary(readings.limited, readings.spelling, trace)
    return summary


def context_of(passage: Passage, step: int) -> str:
    """The text up to a symbol, itself included, as much of it as fits into a line."""
    width = _CONTEXT_WORDS if passage.joiner else _CONTEXT_SYMBOLS
    return passage.text(max(0, step + 1 - width), step + 1)


def _layer_summary(trace: TextTrace, number: int, num_words: int) -> dict[str, Any]:
    layer = trace.layers[number]
    ranked = word_spans(trace.passage, layer.span) if trace.has_learned_spans else []
    return {
        "span_mean": float(layer.span.mean()),
        "span_max": float(layer.span.max()),
        "memory_size_mean": float(trace.num_alive(number).mean()),
        "longest_kept": [asdict(one) for one in ranked[:num_words]],
    }


def _replaced_summary(reading: ReplacedReading, original: Passage) -> dict[str, Any]:
    def changed(symbol: ChangedSymbol) -> dict[str, Any]:
        word = original.words[int(original.word_of[symbol.original_step])]
        return {**asdict(symbol), "piece": original.pieces[symbol.original_step], "word": word}

    return {
        "old": reading.replacement.old,
        "new": reading.replacement.new,
        "occurrences": len(reading.replacement.old_places),
        "layers": [
            {
                "span_before": layer.before_mean,
                "span_after": layer.after_mean,
                "span_before_each": list(layer.before),
                "span_after_each": list(layer.after),
                "elsewhere_mean_change": layer.elsewhere_mean,
                "elsewhere_largest": [changed(symbol) for symbol in layer.elsewhere_largest],
            }
            for layer in reading.layers
        ],
    }


def _limited_summary(reading: LimitedReading, spelling: Spelling, trace: TextTrace) -> dict[str, Any]:
    effect, passage = reading.effect, trace.passage
    return {
        "steps": effect.steps,
        "bits_before": effect.bits_before,
        "bits_after": effect.bits_after,
        "right_before": effect.num_right_before,
        "right_after": effect.num_right_after,
        "worst": [
            {
                "step": step,
                "after": context_of(passage, step),
                "target": spelling.target_text(int(passage.targets[step])),
                "bits_before": float(trace.bits[step]),
                "bits_after": float(reading.trace.bits[step]),
            }
            for step in effect.worst
        ],
    }


def summary_lines(summary: dict[str, Any], num_words: int = 5) -> Iterator[str]:
    """The summary for people, line by line."""
    stories = f", {summary['stories']:,} stories" if summary["stories"] > 1 else ""
    bits = "" if summary["bits_mean"] is None else f", {summary['bits_mean']:.3f} bits a prediction"
    yield f"read {summary['symbols']:,} symbols{stories}{bits}"
    for number, layer in enumerate(summary["layers"], start=1):
        sizes = f"layer {number}: memory size {layer['memory_size_mean']:,.1f}, span {layer['span_mean']:,.1f}"
        words = ", ".join(
            f"{visible(one['word'])} {one['mean']:,.0f} (× {one['count']})" for one in layer["longest_kept"][:num_words]
        )
        yield sizes + (f"; kept longest: {words}" if words else "; the same for every symbol, or nearly")
    for one in summary.get("replaced", ()):
        times = "once" if one["occurrences"] == 1 else f"{one['occurrences']} times"
        spans = ", ".join(f"{layer['span_before']:,.0f} → {layer['span_after']:,.0f}" for layer in one["layers"])
        elsewhere = ", ".join(f"{layer['elsewhere_mean_change']:,.2f}" for layer in one["layers"])
        yield f"{one['old']} → {one['new']} ({times}): span by layer {spans}; elsewhere by {elsewhere} on average"
    if "limited" in summary:
        yield from _limited_lines(summary["limited"], num_words)


def _limited_lines(limited: dict[str, Any], num_words: int) -> Iterator[str]:
    if limited["bits_before"] is None:
        yield f"nothing more than {limited['steps']:,} back: nothing is to be predicted here"
        return
    yield (
        f"nothing more than {limited['steps']:,} back: {limited['bits_before']:.3f} → {limited['bits_after']:.3f} "
        f"bits, {limited['right_before']:,} → {limited['right_after']:,} predictions right"
    )
    for one in limited["worst"][:num_words]:
        where = f"…{visible(one['after'])} [{visible(one['target'])}]"
        yield f"  {where}: {one['bits_before']:.2f} → {one['bits_after']:.2f} bits"


def visible(text: str) -> str:
    """A text with its lines' ends and lone blanks to be seen."""
    shown = text.replace("\n", "⏎").replace("\t", "⇥")
    return "·" if shown == " " else shown
