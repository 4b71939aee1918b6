"""The artefacts of reinforcement learning: comparisons of agents, `rlmem compare`."""

from __future__ import annotations

from rlmem.experiments.reproduce.artefact import Artefact

_PAPER_SIZES = ",".join(str(size) for size in range(10, 101, 10))

# The paper trains ten Transformer-XL, of sizes that its figure shows up to 100 steps, and five Expire-Span.
_CORRIDOR = Artefact(
    "figure-4-left",
    "Corridor: success against average memory",
    comparison={
        "small": (
            "compare", "corridor", "--kinds", "expire_span@1,2,3,4,5", "transformer_xl:5,10,20,40,60,80,100,200@1",
            "--total-timesteps", "3000000",
        ),
        "paper": (
            "compare", "corridor", "--preset", "paper", "--kinds", "expire_span@1,2,3,4,5",
            f"transformer_xl:{_PAPER_SIZES}@1", "--total-timesteps", "100000000",
        ),
    },
    earlier="figure-4-left",
)  # fmt: skip

# "Multiple models with different memory sizes and random seeds": which ones the paper does not say.
_PORTAL = Artefact(
    "figure-5",
    "Multi-Room Portal: rooms visited against average memory (the figure's right half)",
    comparison={
        "small": (
            "compare", "portal", "--kinds", "transformer_xl:10,20,30,50,100@1", "expire_span@1,2,3",
            "--total-timesteps", "5000000", "--threshold", "15",
        ),
        "paper": (
            "compare", "portal", "--preset", "portal-paper", "--kinds", f"transformer_xl:{_PAPER_SIZES}@1",
            "expire_span@1,2,3,4,5", "--total-timesteps", "100000000", "--threshold", "15",
        ),
    },
    earlier="figure-5-right",
)  # fmt: skip

AGENT_ARTEFACTS = (_CORRIDOR, _PORTAL)
