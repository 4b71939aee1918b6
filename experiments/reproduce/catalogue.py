"""All artefacts, in the paper's order, and how one is found by its ID."""

from __future__ import annotations

from difflib import get_close_matches

from rlmem.errors import UsageError
from rlmem.experiments.reproduce.agent_artefacts import AGENT_ARTEFACTS
from rlmem.experiments.reproduce.artefact import Artefact
from rlmem.experiments.reproduce.model_artefacts import MODEL_ARTEFACTS
from rlmem.experiments.reproduce.paper import PAPER

_BY_ID = {artefact.id: artefact for artefact in (*AGENT_ARTEFACTS, *MODEL_ARTEFACTS)}

ARTEFACTS: dict[str, Artefact] = {id: _BY_ID[id] for id in PAPER}
"""By ID."""

assert _BY_ID.keys() == PAPER.keys(), "every artefact has the paper's result beside it"


def find_artefact(id: str) -> Artefact:
    """An artefact by its ID.

    Raises:
        UsageError: there is none.
    """
    if id not in ARTEFACTS:
        near = [one for one in ARTEFACTS if id and one.startswith(id)] or get_close_matches(id, ARTEFACTS, n=1)
        hint = f"did you mean {' or '.join(map(repr, near[:2]))}? " if near else ""
        raise UsageError(
            f"the paper's {id!r} is not among what can be reproduced; {hint}choose one of {', '.join(ARTEFACTS)}"
        )
    return ARTEFACTS[id]
