"""The properties by name: what each says, how it is played, and what usually breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rlmem.testing import forward_properties, gradient_properties, state_properties
from rlmem.testing.differences import Difference
from rlmem.testing.trial import Trial


@dataclass(frozen=True)
class Property:
    """One thing that must hold of every memory.

    Args:
        number: 1 to 8 as in rlmem's design document, 9 and 10 beyond it.
        name: a word for it.
        meaning: one sentence.
        likely_cause: of a failure.
        play: the differences of what must be equal.
        reads: what the property compares, which must not be constant for the check to mean anything.
        limit: what limits a check that passed, "" usually.
    """

    number: int
    name: str
    meaning: str
    likely_cause: str
    play: Callable[[Trial], list[Difference]]
    reads: Literal["anything", "value"] = "anything"
    limit: Callable[[Trial], str] = lambda trial: ""


PROPERTIES = (
    Property(
        1,
        "acting",
        "Acting step by step gives the outputs and values that windows give, across windows and resets.",
        "a stale entry in the cache that acting uses, or a reset inside a window that only one of the two handles.",
        forward_properties.acting,
    ),
    Property(
        2,
        "window_size",
        "One long window gives what four shorter ones and single steps give.",
        "state that is lost or shifted between windows, or a reset that is handled at a window's first step alone.",
        forward_properties.window_size,
    ),
    Property(
        3,
        "rows",
        "A row gives the same alone, in any batch and in any order.",
        "something taken over the batch: a mean, a minimum such as of what to delete, a shared counter or flag.",
        forward_properties.rows,
    ),
    Property(
        4,
        "boundary_outputs",
        "What was observed in one episode changes no output of the next.",
        "memory of the old episode that is neither cleared nor masked where is_first is True.",
        forward_properties.boundary_outputs,
    ),
    Property(
        4,
        "boundary_gradients",
        "No gradient of one episode's outputs flows into the episode before.",
        "a path around the reset that adds nothing to the output but carries gradient, or a reset that is missing.",
        gradient_properties.boundary_gradients,
    ),
    Property(
        5,
        "empty_slots",
        "Whatever finite numbers stand in empty slots, nothing changes.",
        "a query that looks at an empty slot, or a mask that is multiplied in after the softmax.",
        state_properties.empty_slots,
    ),
    Property(
        6,
        "deletion",
        "Deleting memories that no later query can see changes nothing.",
        "memories deleted too early, or slots whose position or time shifts when others before them are deleted.",
        state_properties.deletion,
        limit=state_properties.deletion_limit,
    ),
    Property(
        7,
        "bootstrap",
        "The value of what follows in the running episode sees the memory that acting would, and stores nothing.",
        "a bootstrap that misses the last step or counts it twice, sees the episode after a reset, or stores its step.",
        forward_properties.bootstrap,
        reads="value",
    ),
    Property(
        8,
        "gradients",
        "Analytic gradients of a window equal central finite differences.",
        "a detach() that cuts a gradient (one that is meant fails here, too), or a wrong backward written by hand.",
        gradient_properties.finite_differences,
    ),
    Property(
        9,
        "absolute_time",
        "After 400 million steps a row gives what it gives at the start, in float32.",
        "absolute times turned into floats before they are subtracted; float32 counts exactly to 16.8 million.",
        forward_properties.absolute_time,
    ),
    Property(
        10,
        "saved_state",
        "A state written as named tensors and read back goes on as before.",
        "something that tensors() leaves out or from_tensors() puts elsewhere.",
        state_properties.saved_state,
    ),
)
"""In the order in which they are reported."""
