"""What `check_memory` needs of a policy.

An observation is a tensor for a plain space, and a dict or tuple of tensors for a `Dict` or `Tuple` space, whose axes
lead with (batch, steps) in a window and with (batch,) in a single step. A state is whatever the policy likes.

Beside the four methods of `MemoryPolicy`, a policy has an `observation_space` (Gymnasium's, of one environment), or

    sample_observations(batch, steps, generator)  observations (batch, steps, ...), drawn from a CPU torch.Generator

and it should be an `nn.Module`: gradients are checked on modules alone, and so is the copy in float64. What more it
offers is optional; a property that needs a method which is not there is reported as not checked.

    starting_at(state, time)        the initial state with rows at absolute times, (batch,) int64
    rows(state, index)              the state of some rows; index: (rows,) int64
    with_garbage(state, generator)  the state with anything finite in its empty slots; None if no slot is empty
    window_keeping_all(observation, state, is_first)  `window`, but no memory is deleted after it
    num_slots(state)                (batch,) int64, how many memories each row holds
    state.tensors(), type(state).from_tensors(named)  the state as named tensors, and back
"""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor


class MemoryPolicy(Protocol):
    """A policy with memory; `rlmem.testing` shows one of 25 lines.

    An `ActorCritic` of ours needs none of this: `check_memory` adapts it. A state that `act` returned is used once
    more at most, so `act` may update a cache in place; `window` and `bootstrap` leave the state that they get as it is.
    """

    def initial_state(self, batch: int) -> Any:
        """The state of `batch` rows before their first step."""

    def window(self, observation: Any, state: Any, is_first: Tensor) -> tuple[Tensor, Tensor, Any]:
        """Run a window in parallel, as for learning.

        Args:
            observation: (batch, steps, ...).
            state: from `initial_state`, or from the `window` or `act` before.
            is_first: (batch, steps) bool, True where a step begins a new episode.

        Returns:
            outputs (batch, steps, ...), what actions are drawn from, such as logits; value (batch, steps); and the
            state after the window.
        """

    def act(self, observation: Any, state: Any, is_first: Tensor) -> tuple[Tensor, Tensor, Any]:
        """Take one step, as for acting.

        Args:
            observation: (batch, ...).
            state: as for `window`.
            is_first: (batch,) bool.

        Returns:
            outputs (batch, ...), value (batch,), the state after the step.
        """

    def bootstrap(self, observation: Any, state: Any) -> Tensor:
        """The value (batch,) of an observation (batch, ...) that follows in the running episode, storing nothing."""


METHODS = ("initial_state", "window", "act", "bootstrap")
"""What every policy must have."""
