"""What a core model is built from: widths, depth, and the kind and size of its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlmem.errors import check, flag

MemoryKind = Literal["expire_span", "transformer_xl", "adaptive_span", "compressive", "none", "lstm", "gru"]
RECURRENT_KINDS: tuple[MemoryKind, ...] = ("lstm", "gru")


@dataclass(frozen=True)
class ModelConfig:
    """The size of the core model and of its memory. The defaults are the paper's sizes for its RL tasks.

    A layer of the default sizes has 36,416 parameters without a memory (Expire-Span: 36,481), 33,280 as an
    LSTM and 24,960 as a GRU; heads, feedforward and position_reach are the Transformer's alone.
    """

    num_layers: int = 2
    """Layers."""
    model: int = 64
    """Width of a hidden state."""
    heads: int = 2
    """Attention heads; must divide the width."""
    feedforward: int = 128
    """Width inside the feed-forward block."""
    position_reach: int = 100
    """How many steps back relative position embeddings reach; older memories get none."""
    memory: MemoryKind = "expire_span"
    """Kind of memory."""
    max_span: int = 200
    """L, the longest span of a memory, in steps."""
    ramp: int = 16
    """R, over how many steps an expired memory fades, in steps (Expire-Span, Adaptive-Span)."""
    initial_span_fraction: tuple[float, ...] = (0.5,)
    """The initial span as a fraction of L: one for all layers, or one a layer (Expire-Span, Adaptive-Span)."""
    span_pre_divisor: float = 1.0
    """Divides the span predictor's output before the sigmoid (Expire-Span)."""
    span_features: int = 0
    """Random features that the span predictor looks at; 0: the hidden state itself, as in the paper (Expire-Span)."""
    charge_at_episode_end: bool = True
    """Charge memories that outlive their episode; off is the paper's form (Expire-Span)."""
    compression_rate: int = 4
    """c, how many steps become one slot once they are more than L steps old (Compressive Transformer)."""
    num_compressed: int = 50
    """How many such slots are kept at most, the newest (Compressive Transformer)."""
    memory_dropout: bool = False
    """Hide memories more than l steps old in training, l drawn from U(0, L) for each batch."""
    dropout: float = 0.0
    """Share of the feed-forward block's ReLU activations set to 0 in training."""
    attention_dropout: float = 0.0
    """Share of the attention weights set to 0 in training."""
    glorot: bool = False
    """Begin with Glorot-uniform matrices and biases of 0."""
    fused: bool = False
    """Read memory in the way for long ones: the same results, at a cost that grows with the memories still alive."""

    def __post_init__(self) -> None:
        least = dict.fromkeys(
            ("num_layers", "model", "heads", "feedforward", "position_reach", "max_span", "ramp", "num_compressed"), 1
        )
        for name, minimum in {**least, "compression_rate": 2}.items():
            value = getattr(self, name)
            check(value >= minimum, f"{flag(name)} is {value}, but it must be at least {minimum}")
        check(
            self.model % self.heads == 0,
            f"--heads {self.heads} does not divide the width --model {self.model}; "
            f"choose one of {[h for h in range(1, self.model + 1) if self.model % h == 0]}",
        )
        kinds = MemoryKind.__args__  # type: ignore[attr-defined]
        check(self.memory in kinds, f"memory {self.memory!r} is unknown; choose one of {', '.join(kinds)}")
        fractions = self.initial_span_fraction
        given = " ".join(map(str, fractions))
        check(
            all(0 < fraction < 1 for fraction in fractions),
            f"--initial-span-fraction is {given}, but every fraction must lie strictly between 0 and 1",
        )
        check(
            len(fractions) in (1, self.num_layers),
            f"--initial-span-fraction {given} has {len(fractions)} values, but the model has {self.num_layers} layers; "
            "give one value for all, or one a layer",
        )
        check(
            not (self.memory_dropout and self.memory in (*RECURRENT_KINDS, "none")),
            f"--memory-dropout hides old memories, but --memory {self.memory} keeps none; leave it out",
        )
        self._check_regularisation()
        check(self.span_features >= 0, f"--span-features is {self.span_features}, but it cannot be negative")
        check(self.span_pre_divisor > 0, f"--span-pre-divisor is {self.span_pre_divisor}, but it must be positive")

    def _check_regularisation(self) -> None:
        is_recurrent = self.memory in RECURRENT_KINDS
        for name in ("dropout", "attention_dropout"):
            value = getattr(self, name)
            check(0 <= value < 1, f"{flag(name)} is {value}, but what is dropped must be at least 0 and less than 1")
        for name in ("dropout", "attention_dropout", "glorot", "fused"):
            check(
                not (is_recurrent and getattr(self, name)),
                f"{flag(name)} is a Transformer's, but --memory {self.memory} makes a recurrent core; leave it out",
            )

    def initial_span_fraction_of(self, layer: int) -> float:
        """The initial span of a layer, 0 being the first, as a fraction of L."""
        fractions = self.initial_span_fraction
        return fractions[layer if len(fractions) > 1 else 0]
