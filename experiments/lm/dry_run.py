"""`rlmem lm train --dry-run`: what a run would be, without running it.

Predicted memory, in bytes, float32, an upper bound that takes every layer's memory to be as full as L allows:

    weights       4 P (2 + k)          weights, gradients and the optimiser's k states (Adam 2, RMSProp 1)
    memory        4 layers B M model   M = L + R memories a row (Transformer-XL: L; Compressive: L + its pooled ones)
    activations   4 layers b (6 heads T N + 4 T N + 8 N model + T (8 model + 3 feedforward)) + 8 b T V
                                       b rows at once, N = M + T slots, V classes; --fused: 4 heads T 2^10, no T N
"""

from __future__ import annotations

import json

from rlmem.experiments.dry_run import print_prediction
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS, Corpus, has_data
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.lm.training_run import make_model

_FLOAT = 4
_FUSED_WIDTH = 1024  # slots that the way for long memories weighs at once


def print_dry_run(config: LanguageTrainConfig, corpus: Corpus) -> None:
    """Print configuration, parameter count and predicted memory; device and threads are decided already."""
    parameters = sum(parameter.numel() for parameter in make_model(config, corpus).parameters())
    print(json.dumps(config.to_json(), indent=2))
    if LANGUAGE_TASKS[config.task].whole is not None and not has_data(config.options):
        print(f"no --data was given: the vocabulary is taken to be the whole corpus's {corpus.num_symbols:,} symbols")
    tokens = config.run.all_updates * config.learner.batch * config.learner.block
    print(f"training: {config.run.all_updates:,} updates, {tokens:,} symbols")
    print_prediction(parameters, predicted_memory(config, parameters, corpus.num_targets))


def predicted_memory(config: LanguageTrainConfig, parameters: int, num_targets: int) -> dict[str, int]:
    """Bytes by purpose, by the formula above.

    Args:
        config: the run.
        parameters: of the model.
        num_targets: classes; those of an adaptive softmax beyond its first cluster are left out.
    """
    model, learner = config.model, config.learner
    memories = model.max_span + (model.ramp if model.memory in ("expire_span", "adaptive_span") else 0)
    memories += model.num_compressed if model.memory == "compressive" else 0
    slots, steps = memories + learner.block, learner.block
    rows = -(-learner.batch // learner.accumulate)
    per_row = 8 * slots * model.model + steps * (8 * model.model + 3 * model.feedforward)
    per_row += (4 * model.heads * min(slots, _FUSED_WIDTH) if model.fused else (6 * model.heads + 4) * slots) * steps
    classes = config.embedding.cutoffs[0] if config.embedding.cutoffs else num_targets
    return {
        "weights": _FLOAT * parameters * (2 + (2 if learner.optimizer == "adam" else 1)),
        "memory": _FLOAT * model.num_layers * learner.batch * memories * model.model,
        "activations": _FLOAT * rows * (model.num_layers * per_row + 2 * steps * classes),
    }
