"""The artefacts of language models: which are trained for each, small and at the paper's sizes.

At the small scale spans are as many times shorter as stories are, and Transformer-XL gets the average memory that
Expire-Span turned out to have, and multiples of it. Where the paper gives L, it is that; where it gives none, the
choice made here is said beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlmem.experiments.reproduce.artefact import Artefact, Draw
from rlmem.experiments.reproduce.efficiency import draw_efficiency
from rlmem.experiments.reproduce.limited_span import draw_limited_span
from rlmem.experiments.reproduce.memory_dropout import draw_memory_dropout
from rlmem.experiments.reproduce.planned_model import EqualMemory, PlannedModel
from rlmem.experiments.reproduce.score_drawing import draw_scores
from rlmem.experiments.reproduce.text_spans import draw_edited_passage, draw_layers
from rlmem.model_config import MemoryKind

_SMALL_COMPRESSIVE = ("--num-compressed", "64")  # the paper's 512 and 2k, divided by 32
_COMPRESSIVE = ("--num-compressed", "2048")  # of 4 steps each, beside 512 as they are: 8.7k
_ALPHAS = {"small": ("1e-6", "1e-5", "1e-4"), "paper": ("3e-7", "1e-6", "3e-6")}


def _plain(task: str, seeds: Sequence[int] = (1,), counterpart: str | None = None) -> tuple[PlannedModel, ...]:
    """Expire-Span at the preset's L."""
    return tuple(PlannedModel(task, "expire_span", seed=seed, counterpart=counterpart) for seed in seeds)


def _fixed(task: str, *times: int, counterpart: str | None = None) -> tuple[PlannedModel, ...]:
    """Transformer-XL at multiples of the average memory of Expire-Span; the counterpart is that of equal memory."""
    return tuple(
        PlannedModel(task, "transformer_xl", EqualMemory(one), counterpart=counterpart if one == 1 else None)
        for one in times
    )


def _sizes(
    task: str, kind: MemoryKind, *spans: int, flags: tuple[str, ...] = (), label: str = ""
) -> tuple[PlannedModel, ...]:
    """A kind of memory at several L."""
    return tuple(PlannedModel(task, kind, span, flags=flags, label=label) for span in spans)


def _alphas(task: str, alphas: Sequence[str], flags: tuple[str, ...] = ()) -> tuple[PlannedModel, ...]:
    """Expire-Span at several costs of memory, which is what makes its average memory smaller or larger."""
    return tuple(
        PlannedModel(task, "expire_span", flags=("--span-cost", alpha, *flags), label=f"alpha{alpha}")
        for alpha in alphas
    )


_COPY = Artefact(
    "table-1",
    "Copy: how many A's there were, long ago",
    models={
        "small": (
            *_plain("copy", counterpart="Expire-Span 128K"),
            PlannedModel("copy", "expire_span", 128, counterpart="Expire-Span 16K"),  # too short for most stories
            *_fixed("copy", 1, 8, counterpart="Transformer-XL"),
        ),
        "paper": (
            *_plain("copy", counterpart="Expire-Span 128K"),
            PlannedModel("copy", "expire_span", 16_384, counterpart="Expire-Span 16K"),
            PlannedModel("copy", "transformer_xl", 2048, counterpart="Transformer-XL"),
        ),
    },
    draw=draw_scores,
)

_INSTRUCTION = Artefact(
    "figure-4-right",
    "Instructions executed rightly against average memory",
    models={
        "small": (*_plain("instruction", (1, 2, 3)), *_fixed("instruction", 1, 2, 4, 8)),
        # six sizes, which the figure shows between about 500 and 2,500 steps
        "paper": (
            *_plain("instruction", (1, 2, 3, 4, 5)),
            *_sizes("instruction", "transformer_xl", 256, 512, 1024, 1536, 2048, 2560),
        ),
    },
    draw=draw_scores,
)

# The baseline's L is not given; 512 is a block, and what Dai et al. 2019 train their 12 layers with.
_ENWIK8 = Artefact(
    "table-2",
    "enwik8: bits per byte",
    models={
        "small": (
            *_plain("enwik8", counterpart="Expire-Span 12L"),
            *_fixed("enwik8", 1, 2, counterpart="Our Trans-XL 12L baseline"),
        ),
        "paper": (
            *_plain("enwik8", counterpart="Expire-Span 12L"),
            PlannedModel("enwik8", "transformer_xl", 512, counterpart="Our Trans-XL 12L baseline"),
        ),
    },
    draw=draw_scores,
)

# The paper drops memory in training at 64k only.
_WHOLE = ("--no-memory-dropout",)
_COLLISION_16K = PlannedModel("collision", "expire_span", 16_384, flags=_WHOLE, counterpart="Expire-Span 16k")
_COLLISION_ADAPTIVE = PlannedModel("collision", "adaptive_span", 16_384, flags=_WHOLE, counterpart="Adapt-Span 16k")
_COLLISION_COMPRESSIVE = PlannedModel(
    "collision", "compressive", 512, flags=(*_WHOLE, *_COMPRESSIVE), counterpart="Compressive 8k"
)
_SMALL_COLLISION_COMPRESSIVE = PlannedModel(
    "collision", "compressive", 16, flags=_SMALL_COMPRESSIVE, counterpart="Compressive 8k"
)
_COLLISION = Artefact(
    "table-3",
    "Colliding objects: error",
    models={
        "small": (
            *_fixed("collision", 1, 4, counterpart="Trans-XL 1k"),
            _SMALL_COLLISION_COMPRESSIVE,
            PlannedModel("collision", "adaptive_span", counterpart="Adapt-Span 16k"),
            PlannedModel("collision", "expire_span", 128, counterpart="Expire-Span 16k"),
            PlannedModel("collision", "expire_span", 256, counterpart="Expire-Span 32k"),
            *_plain("collision", counterpart="Expire-Span 64k"),
        ),
        "paper": (
            PlannedModel("collision", "transformer_xl", 1024, flags=_WHOLE, counterpart="Trans-XL 1k"),
            _COLLISION_COMPRESSIVE,
            _COLLISION_ADAPTIVE,
            _COLLISION_16K,
            PlannedModel("collision", "expire_span", 32_768, flags=_WHOLE, counterpart="Expire-Span 32k"),
            *_plain("collision", counterpart="Expire-Span 64k"),
        ),
    },
    draw=draw_scores,
)

_COLLISION_EASY = Artefact(
    "table-6",
    "Colliding objects without colours: error",
    models={
        "small": (
            *_plain("collision-easy", (1, 2, 3), counterpart="Expire-Span 4096"),
            *_fixed("collision-easy", 1, 4, 16, counterpart="Transformer 1024"),
            PlannedModel("collision-easy", "expire_span", 128, counterpart="Expire-Span 1024"),
            PlannedModel("collision-easy", "expire_span", 256, counterpart="Expire-Span 2048"),
        ),
        "paper": (
            PlannedModel("collision-easy", "transformer_xl", 1024, counterpart="Transformer 1024"),
            PlannedModel("collision-easy", "expire_span", 1024, counterpart="Expire-Span 1024"),
            PlannedModel("collision-easy", "expire_span", 2048, counterpart="Expire-Span 2048"),
            *_plain("collision-easy", counterpart="Expire-Span 4096"),
        ),
    },
    draw=draw_scores,
)


def _costed(task: str, scale: str, kind: MemoryKind) -> PlannedModel:
    """The model of table 4; the sizes that the paper does not give are those of the same memory in its other tables."""
    is_small = scale == "small"
    if task == "collision" and kind != "expire_span":
        adaptive = PlannedModel(task, kind) if is_small else _COLLISION_ADAPTIVE
        return adaptive if kind == "adaptive_span" else (
            _SMALL_COLLISION_COMPRESSIVE if is_small else _COLLISION_COMPRESSIVE
        )  # fmt: skip
    if task == "collision" and not is_small:
        return _COLLISION_16K
    if kind == "compressive":
        return PlannedModel(task, kind, *((16, 1, _SMALL_COMPRESSIVE) if is_small else (512, 1, _COMPRESSIVE)))
    return PlannedModel(task, kind)


_COSTED: tuple[tuple[str, tuple[MemoryKind, ...]], ...] = (
    ("instruction", ("compressive", "adaptive_span", "expire_span")),
    ("collision", ("compressive", "adaptive_span", "expire_span")),
    ("enwik8", ("compressive", "adaptive_span", "expire_span")),
    ("pg19", ("adaptive_span", "expire_span")),
)
_EFFICIENCY = Artefact(
    "table-4",
    "Score, peak memory and time of a batch, by kind of memory",
    models={
        "small": tuple(_costed(task, "small", kind) for task, kinds in _COSTED for kind in kinds),
        "paper": tuple(_costed(task, "paper", kind) for task, kinds in _COSTED for kind in kinds),
    },
    draw=draw_efficiency,
    can_leave_out=True,
)

# The paper trains no baseline of its own here but in figure 11.
_WIKITEXT = Artefact(
    "table-5",
    "WikiText-103: perplexity",
    models={
        "small": (*_plain("wikitext103", counterpart="Expire-Span"), *_fixed("wikitext103", 1, 2)),
        "paper": _plain("wikitext103", counterpart="Expire-Span"),
    },
    draw=draw_scores,
)

_PG19 = Artefact(
    "figure-6",
    "PG-19: bits per character",
    models={
        "small": (*_sizes("pg19", "expire_span", 256, 512), *_plain("pg19"), *_sizes("pg19", "transformer_xl", 32, 64)),
        "paper": (
            *_sizes("pg19", "expire_span", 8192, 16_384),
            *_plain("pg19"),
            *_sizes("pg19", "transformer_xl", 1024, 2048),
        ),
    },
    draw=draw_scores,
)

# Not fine-tuned, as the paper says below its figure; which sizes and alphas it does not say.
_ROUGH = ("--fine-tune-updates", "0")
_SHORT = ("--updates", "1200", "--eval-interval", "200")  # so that all of a figure's runs take an hour
_ENWIK8_SIZES = Artefact(
    "figure-7",
    "enwik8: bits per byte against average memory",
    models={
        "small": (
            *_alphas("enwik8", _ALPHAS["small"], _SHORT),
            *_sizes("enwik8", "transformer_xl", 32, 128, 256, flags=_SHORT),
            *_sizes("enwik8", "adaptive_span", 256, 1024, flags=_SHORT),
        ),
        "paper": (
            *_alphas("enwik8", _ALPHAS["paper"], _ROUGH),
            *_sizes("enwik8", "transformer_xl", 128, 256, 512, 1024, 2048, flags=_ROUGH, label="rough"),
            *_sizes("enwik8", "adaptive_span", 1024, 2048, 4096, 8192, flags=_ROUGH, label="rough"),
        ),
    },
    draw=draw_scores,
)

_WIKITEXT_SIZES = Artefact(
    "figure-11",
    "WikiText-103: perplexity against average memory",
    models={
        "small": (
            *_plain("wikitext103"),  # whose alpha is 1e-5
            *_alphas("wikitext103", ("1e-6", "1e-4")),
            *_sizes("wikitext103", "transformer_xl", 32, 128, 256),
        ),
        "paper": (
            *_alphas("wikitext103", _ALPHAS["paper"]),
            *_sizes("wikitext103", "transformer_xl", 128, 256, 512, 1024, 2048),
        ),
    },
    draw=draw_scores,
)


def _of_enwik8(id: str, title: str, draw: Draw) -> Artefact:
    """An analysis of table 2's Expire-Span."""
    models = _plain("enwik8")
    return Artefact(id, title, models={"small": models, "paper": models}, draw=draw, needs_all=True)


_DROPOUT = tuple(
    PlannedModel("enwik8", "expire_span", flags=(flag, "--fine-tune-updates", "0"), label=label)
    for flag, label in (("--memory-dropout", "dropped"), ("--no-memory-dropout", "whole"))
)

MODEL_ARTEFACTS = (
    _INSTRUCTION,
    _COPY,
    _ENWIK8,
    _COLLISION,
    _EFFICIENCY,
    _WIKITEXT,
    _COLLISION_EASY,
    _PG19,
    _ENWIK8_SIZES,
    _of_enwik8("figure-9", "A passage with a word replaced: which words are kept", draw_edited_passage),
    _of_enwik8("figure-10", "Spans cut off at evaluation: which predictions get worse", draw_limited_span),
    _WIKITEXT_SIZES,
    _of_enwik8("figure-12", "A passage by layer: for how long each symbol is kept", draw_layers),
    Artefact(
        "figure-13",
        "Loss along the validation data, with structured dropout of memories and without",
        models={"small": _DROPOUT, "paper": _DROPOUT},
        draw=draw_memory_dropout,
        needs_all=True,
    ),
)
