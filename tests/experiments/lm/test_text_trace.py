"""The trace of a text against one window over all of it, for every kind of memory; words, replacements and limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rlmem.attention import Attention
from rlmem.errors import UsageError
from rlmem.experiments.lm.passage import NO_TARGET, Passage, Spelling
from rlmem.experiments.lm.replacement import NO_COUNTERPART, compare_replacement, replace_word
from rlmem.experiments.lm.span_limit import limit_effect
from rlmem.experiments.lm.text_trace import SymbolMemories, trace_text
from rlmem.experiments.lm.vocabulary import BYTES, Vocabulary
from rlmem.experiments.lm.word_spans import word_spans
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.transformer import plain_attention
from rlmem.window import Window

KINDS: tuple[MemoryKind, ...] = ("expire_span", "transformer_xl", "adaptive_span", "compressive")
SPELLING = Spelling(BYTES)
TEXT = "Alexander saw Egypt. The Egyptians of Egypt saw him, and he stayed.\nThen Alexander left Egypt.\n"


def make_model(memory: MemoryKind = "expire_span", **sizes: Any) -> LanguageModel:
    """A small random model whose spans differ from symbol to symbol."""
    torch.manual_seed(5)
    small: dict[str, Any] = {
        "num_layers": 2, "model": 16, "heads": 2, "feedforward": 16, "position_reach": 12, "max_span": 20, "ramp": 4,
        "compression_rate": 3, "num_compressed": 4,
    }  # fmt: skip
    model = LanguageModel(ModelConfig(memory=memory, **small | sizes), VocabularyConfig(256, 256))
    for layer in model.core.layer_list():
        torch.nn.init.normal_(layer.attention.query.weight)
        if memory == "expire_span":
            torch.nn.init.normal_(layer.memory.weight, std=0.5)  # type: ignore[arg-type]
    return model


def make_passage(text: str = TEXT, *firsts: int) -> Passage:
    symbols = SPELLING.encode(text)
    is_first = np.isin(np.arange(len(symbols)), firsts)
    return SPELLING.passage(symbols, is_first=is_first)


@torch.no_grad()
def whole_window(model: LanguageModel, passage: Passage) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Per layer the weights and the mask, (time, slots), mean and largest over heads; and the bits."""
    weights: list[np.ndarray] = []
    hooks = [
        layer.attention.register_forward_pre_hook(
            lambda one, given: weights.append(one.weights(*given)[0].mean(0).numpy())
        )
        for layer in model.core.layer_list()
    ]
    state = model.core.initial_state(1)
    symbols, is_first = torch.from_numpy(passage.symbols)[None], torch.from_numpy(passage.is_first)[None]
    with plain_attention(model.core):
        output = model(symbols, state, Window.following(state, is_first))
    for hook in hooks:
        hook.remove()
    masks = [trace.log_mask[0].amax(0).exp().numpy() for trace in output.traces]
    loss = model.loss(output.hidden, torch.from_numpy(passage.targets).clamp(min=0)[None])[0].numpy() / np.log(2)
    return weights, masks, loss


def slow_attention(weights: np.ndarray, length: int, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Total and largest attention of every symbol from later ones; the slots are pooled groups, then the symbols."""
    num_pooled = weights.shape[1] - length
    received = np.zeros((length, length))  # (time, symbol)
    shared = np.zeros((length, length))
    for symbol in range(length):
        received[symbol + 1 :, symbol] = weights[symbol + 1 :, num_pooled + symbol]
    for pooled in range(num_pooled):
        for symbol in range(pooled * rate, (pooled + 1) * rate):
            shared[:, symbol] = weights[:, pooled] / rate
    return (received + shared).sum(0), np.maximum(received, shared).max(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [7, 128])
def test_a_trace_is_what_one_window_over_all_of_it_says(kind: MemoryKind, block: int) -> None:
    model, passage = make_model(kind), make_passage()
    weights, masks, loss = whole_window(model, passage)
    trace = trace_text(model, passage, block=block)
    np.testing.assert_allclose(trace.bits[:-1], loss[:-1], rtol=1e-4)
    assert np.isnan(trace.bits[-1])
    for number, layer in enumerate(trace.layers):
        own = masks[number][:, -passage.length :]  # pooled slots stand before them
        last_seen = passage.length - 1 - (own > 0)[::-1].argmax(0)
        np.testing.assert_array_equal(layer.seen_until, last_seen)
        alive = (own > 0).sum(1) - 1
        np.testing.assert_array_equal(trace.num_alive(number), alive)
        total, most = slow_attention(weights[number], passage.length, model.config.compression_rate)
        np.testing.assert_allclose(layer.attention, total, atol=2e-5)
        np.testing.assert_allclose(layer.most_attention, most, atol=2e-6)
    assert trace.has_learned_spans == (kind == "expire_span")


def test_spans_of_each_kind() -> None:
    passage = make_passage()
    spans = {kind: [one.span for one in trace_text(make_model(kind), passage).layers] for kind in KINDS}
    assert {float(span) for one in spans["transformer_xl"] for span in one} == {20.0}
    assert [float(span) for span in spans["compressive"][0][:4]] == [22, 21, 20, 22]  # until its group is pooled
    assert {float(span) for one in spans["adaptive_span"] for span in one} == {10.0}
    assert np.ptp(spans["expire_span"][0]) > 5


def test_expiry_goes_on_beyond_the_end() -> None:
    passage = make_passage("abcdefgh", 5)
    trace = trace_text(make_model("transformer_xl", max_span=3), passage)
    layer = trace.layers[0]
    assert layer.expiry.tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    assert layer.seen_until.tolist() == [3, 4, 4, 4, 4, 7, 7, 7]  # a story ends at 5, the passage at 8
    assert layer.cut_steps.tolist() == [0, 0, 1, 2, 3, 1, 2, 3]
    assert layer.kept_steps.tolist() == [3, 3, 2, 1, 0, 2, 1, 0]


@pytest.mark.parametrize("fused", [False, True])
def test_reading_is_block_by_block_and_leaves_the_model_as_it_was(fused: bool) -> None:
    model, passage = make_model("transformer_xl", max_span=10, fused=fused, dropout=0.5), make_passage(TEXT * 4)
    model.train()
    shapes = []
    hook = Attention.weights

    def watched(attention: Attention, *arguments: torch.Tensor) -> torch.Tensor:
        weights = hook(attention, *arguments)
        shapes.append(tuple(weights.shape[2:]))
        return weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Attention, "weights", watched)
        trace = trace_text(model, passage, block=16)
    assert max(query for query, _ in shapes) == 16
    assert max(slots for _, slots in shapes) == 16 + 10
    assert model.training
    assert [layer.is_fused for layer in model.core.layer_list()] == [fused] * 2
    again = trace_text(make_model("transformer_xl", max_span=10), passage, block=16)  # without dropout
    np.testing.assert_array_equal(trace.bits, again.bits)


def test_a_passage_that_the_model_does_not_know_is_refused() -> None:
    model = make_model()
    with pytest.raises(UsageError, match="the passage has the symbol 300, but the model knows 256 of them"):
        trace_text(model, Spelling(Vocabulary("word", tuple(map(str, range(301))), None)).passage([300]))
    with pytest.raises(UsageError, match="holds no symbol"):
        trace_text(model, SPELLING.passage([]))


def long_for(model: LanguageModel, letters: str) -> LanguageModel:
    """Spans near L for some letters and near 0 for all others, in the first layer."""
    memory = model.core.layer_list()[0].memory
    with torch.no_grad():
        model.embedding.weight[:, 0] = -1.0  # type: ignore[operator]
        for letter in letters.encode():
            model.embedding.weight[letter, 0] = 6.0  # type: ignore[operator]
        memory.weight.zero_()  # type: ignore[operator]
        memory.weight[0] = 6.0  # type: ignore[operator]
        memory.bias.fill_(-5.0)  # type: ignore[operator]
    return model


def test_words_with_a_letter_that_is_kept_rank_first() -> None:
    model, passage = long_for(make_model(), "E"), make_passage()
    layer: SymbolMemories = trace_text(model, passage).layers[0]
    ranked = word_spans(passage, layer.span)
    assert [one.word for one in ranked[:2]] in (["Egypt", "Egyptians"], ["Egyptians", "Egypt"])
    egypt = next(one for one in ranked if one.word == "Egypt")
    places = [place for place in range(len(TEXT)) if TEXT.startswith("Egypt", place) and TEXT[place + 5] != "i"]
    assert egypt.count == len(places) == 3
    assert egypt.mean == pytest.approx(layer.span[places].mean())
    assert egypt.step in places
    assert ranked[2].mean < 1 < 15 < egypt.mean
    blanks = [one for one in ranked if one.word == " "]
    assert [one.count for one in blanks] == [TEXT.count(" ")]


def test_a_replaced_word_has_its_own_span_and_leaves_what_was_before() -> None:
    model, passage = long_for(make_model(), "E"), make_passage()
    replacement = replace_word(SPELLING, passage, "Egypt", "a far land")
    assert replacement.passage.text() == TEXT.replace("Egypt", "a far land").replace("a far landians", "Egyptians")
    assert [passage.text(*place) for place in replacement.old_places] == ["Egypt"] * 3
    assert [replacement.passage.text(*place) for place in replacement.new_places] == ["a far land"] * 3
    is_kept = replacement.original != NO_COUNTERPART
    np.testing.assert_array_equal(replacement.passage.symbols[is_kept], passage.symbols[replacement.original[is_kept]])
    assert (~is_kept).sum() == 3 * len("a far land")
    original, replaced = trace_text(model, passage), trace_text(model, replacement.passage)
    first, second = compare_replacement(original, replaced, replacement)
    assert first.before_mean > 15
    assert first.after_mean < 1
    assert first.elsewhere_mean < 1e-6  # the first layer sees the symbol alone
    assert second.elsewhere_mean > 1e-3
    changes = [abs(one.after - one.before) for one in second.elsewhere_largest]
    assert changes == sorted(changes, reverse=True)
    assert all(one.step > replacement.new_places[0, 0] for one in second.elsewhere_largest)
    begin = replacement.old_places[0, 0]
    for old, new in zip(original.layers, replaced.layers, strict=True):
        np.testing.assert_array_equal(old.span[:begin], new.span[:begin])


def test_targets_and_stories_follow_a_replacement() -> None:
    names = Spelling(Vocabulary("word", ("A", "B", "copy", "end"), None))
    targets = [NO_TARGET, NO_TARGET, 0, 3, NO_TARGET, NO_TARGET, 0]
    passage = names.passage([0, 1, 2, 0, 0, 1, 2], targets, [1, 0, 0, 0, 1, 0, 0])
    replacement = replace_word(names, passage, "A", "A B")
    assert replacement.passage.text() == "A B B copy A B A B B copy"
    assert np.flatnonzero(replacement.passage.is_first).tolist() == [0, 6]
    assert replacement.passage.targets[[2, 3, 8, 9]].tolist() == [NO_TARGET, 0, NO_TARGET, 0]


def test_words_that_cannot_be_replaced_are_refused() -> None:
    passage = make_passage()
    with pytest.raises(UsageError, match=r"--replace 'gypt=x': the passage has no whole word 'gypt'"):
        replace_word(SPELLING, passage, "gypt", "x")
    words = Spelling(Vocabulary("word", ("the", "<unk>"), 1))
    with pytest.raises(UsageError, match="'cat' is not in the run's vocabulary"):
        replace_word(words, words.passage([0, 0]), "the", "cat")
    names = Spelling(Vocabulary("word", ("A", "B"), None))
    with pytest.raises(UsageError, match=r"--replace 'C=A': the text has 'C', which this task does not know"):
        replace_word(names, names.passage([0]), "C", "A")


def test_a_limit_hides_what_is_older() -> None:
    model, passage = make_model(), make_passage()
    trace, limited = trace_text(model, passage), trace_text(model, passage, reach=3)
    effect = limit_effect(trace, limited, 3)
    short = make_model("transformer_xl", max_span=3)
    expected = trace_text(make_model("transformer_xl", max_span=20), passage, reach=3)
    np.testing.assert_allclose(expected.bits, trace_text(short, passage).bits, rtol=1e-5)
    assert (limited.layers[0].expiry <= np.arange(passage.length) + 4).all()
    np.testing.assert_allclose(effect.difference[:4], 0, atol=1e-5)
    worst = effect.difference[list(effect.worst)]
    assert (worst > 0).all()
    assert worst.tolist() == sorted(worst.tolist(), reverse=True)
    assert worst[0] == np.nanmax(effect.difference)
    assert effect.bits_after == pytest.approx(float(np.nanmean(limited.bits)), rel=1e-5)
    assert effect.num_targets == passage.length - 1
