"""A language model's trainer and its folder, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from rlmem.agents.ranks import ALONE, Ranks
from rlmem.checkpoint import CheckpointError, load_language_model
from rlmem.errors import check
from rlmem.experiments.allocator import keep_freed_memory
from rlmem.experiments.checkpoints import load_checkpoint_of
from rlmem.experiments.cuda_settings import prepare_device
from rlmem.experiments.lm.evaluation import LanguageEvaluation, evaluate
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS, Corpus, unit_of
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.lm.trainer import LanguageTrainer
from rlmem.experiments.order import order_to_train
from rlmem.experiments.peak_memory import peak_memory_mib
from rlmem.experiments.progress import Shown
from rlmem.experiments.run_directory import LANGUAGE_MODEL
from rlmem.experiments.run_in_progress import RunInProgress, restore
from rlmem.language_model import LanguageModel

EvaluatedSplit = Literal["valid", "test"]
EVALUATION_SEED = 0
"""Of the validation data while training: the same for all runs."""


class LanguageRun(RunInProgress[LanguageTrainConfig]):
    """One run of a language model in progress.

    Args:
        directory: where it is written.
        trainer: what advances.
        quiet: show no progress.
    """

    def __init__(self, directory: LanguageRunFolder, trainer: LanguageTrainer, *, quiet: bool) -> None:
        super().__init__(directory, trainer, shown_of(directory.config), quiet=quiet)
        self.trainer = trainer

    @classmethod
    def begin(cls, directory: LanguageRunFolder, ranks: Ranks = ALONE, *, quiet: bool) -> LanguageRun:
        """A new run from its configuration, with the weights of --init if given; the other ranks are called to it."""
        config = directory.config
        ranks.called(order_to_train(LANGUAGE_MODEL, directory, is_resumed=False))
        _set_threads(config)
        model = make_model(config, LANGUAGE_TASKS[config.task].open_corpus(config.options))
        if config.run.init is not None:
            load_weights(model, Path(config.run.init))
        return cls(directory, make_trainer(config, model, ranks), quiet=quiet)

    @classmethod
    def resume(
        cls, directory: LanguageRunFolder, checkpoint: Path, ranks: Ranks = ALONE, *, quiet: bool
    ) -> LanguageRun:
        """The run as it was at a checkpoint, to the bit; the other ranks are called to it.

        Raises:
            CheckpointError: the checkpoint is of another configuration.
            UsageError: the data is not what it was.
        """
        _set_threads(directory.config)
        return cls(directory, load_trainer(directory, directory.config, checkpoint, ranks), quiet=quiet)

    def logged(self, metrics: dict[str, float]) -> dict[str, float]:
        """What was gathered since the last line; the next one begins anew."""
        self.trainer.gathered.clear()
        return metrics

    def clock(self, steps: int, seconds: float) -> dict[str, float]:
        """The pace, and the most memory that was taken."""
        learner = self.config.learner
        return {
            "time/tokens_per_second": steps * learner.batch * learner.block / seconds,
            "time/peak_memory_mib": peak_device_memory_mib(self.config.run.device),
        }

    def evaluate(self) -> dict[str, float]:
        """Read the validation data."""
        evaluation = evaluate_split(self.trainer.model, self.config, "valid", EVALUATION_SEED)
        metric = LANGUAGE_TASKS[self.config.task].metric
        return {f"eval/{name}": value for name, value in evaluation.summary(metric).items()}


def evaluate_split(
    model: LanguageModel, config: LanguageTrainConfig, split: EvaluatedSplit, seed: int
) -> LanguageEvaluation:
    """Read the validation or test data, as many blocks as the configuration says.

    Args:
        model: of the run.
        config: of the run.
        split: which data.
        seed: of data that is made up.

    Raises:
        UsageError: the data is not there, or nothing in it is scored.
    """
    task = LANGUAGE_TASKS[config.task]
    return evaluate(
        model,
        task.make_streams(config.options, split, config.run.eval_rows, seed),
        config.learner.block,
        max_blocks=config.run.eval_blocks,
        precision=config.learner.precision,
        is_accuracy_wanted=task.metric != "ppl",
    )


def make_model(config: LanguageTrainConfig, corpus: Corpus) -> LanguageModel:
    """A fresh model for a corpus, its weights drawn from the seed."""
    torch.manual_seed(config.run.seed)
    vocabulary = config.embedding.of(corpus.num_symbols, corpus.num_targets)
    return LanguageModel(config.model, vocabulary).to(config.run.device)


def make_trainer(config: LanguageTrainConfig, model: LanguageModel, ranks: Ranks = ALONE) -> LanguageTrainer:
    """A trainer on the rank's rows of the task's training data."""
    keep_freed_memory()
    task = LANGUAGE_TASKS[config.task]
    stream = task.make_streams(config.options, "train", config.learner.batch, config.run.seed)
    rows = ranks.rows(config.learner.batch)
    return LanguageTrainer(model, stream.only(rows), config.learner, config.run, task.metric, ranks)


def load_trainer(
    directory: LanguageRunFolder, config: LanguageTrainConfig, checkpoint: Path, ranks: Ranks = ALONE
) -> LanguageTrainer:
    """The trainer as it was at a checkpoint, to the bit; later ranks are called to theirs.

    Args:
        directory: of the run.
        config: of the run; its device may be another one, and so may its rates.
        checkpoint: its folder.
        ranks: that train together, of which this is the first.

    Raises:
        CheckpointError: the checkpoint is of another configuration.
        UsageError: the data is not what it was.
    """
    corpus = LANGUAGE_TASKS[config.task].open_corpus(config.options)
    directory.check_same_vocabulary(corpus)
    model, tensors, state = load_checkpoint_of(checkpoint, config.run.device, load_language_model)
    vocabulary = config.embedding.of(corpus.num_symbols, corpus.num_targets)
    if (model.config, model.vocabulary) != (config.model, vocabulary):
        raise CheckpointError(f"{checkpoint} holds another model than config.json describes; undo the change there")
    ranks.called(order_to_train(LANGUAGE_MODEL, directory, is_resumed=True))
    trainer = make_trainer(config, model, ranks)
    restore(trainer, checkpoint, tensors, state)
    return trainer


def load_weights(model: LanguageModel, checkpoint: Path) -> None:
    """Give a model the weights of a checkpoint, whose memory may be of another length but not of another kind.

    Raises:
        CheckpointError: the checkpoint is not whole.
        UsageError: its model has other sizes, or another vocabulary.
    """
    other = load_language_model(checkpoint / "model.safetensors", model.core.norm.weight.device)
    shapes, others = ({name: tuple(p.shape) for name, p in one.state_dict().items()} for one in (model, other))
    differing = sorted(name for name in shapes.keys() | others.keys() if shapes.get(name) != others.get(name))
    check(
        not differing,
        f"--init {checkpoint} holds a model of other sizes: {', '.join(differing[:3])} "
        f"{'differs' if len(differing) == 1 else 'differ'}; give the same sizes and memory kind",
    )
    model.load_state_dict(other.state_dict())


def shown_of(config: LanguageTrainConfig) -> Shown:
    """What progress says of a run."""
    metric = LANGUAGE_TASKS[config.task].metric
    unit, score = unit_of(metric), "item_accuracy" if metric == "accuracy" else unit_of(metric)
    return Shown(
        "updates",
        "rlmem lm eval",
        (
            (f"train/{unit}", unit, ".3f"),
            (f"eval/{score}", f"evaluation {score.replace('_', ' ')}", ".3f"),
            ("memory/size_mean", "memory size", ".1f"),
            ("memory/span_mean", "span", ".1f"),
        ),
        "tokens",
        config.learner.batch * config.learner.block,
    )


def peak_device_memory_mib(device: str) -> float:
    """The most memory that this process took on the device, in MiB."""
    return torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else peak_memory_mib()


def _set_threads(config: LanguageTrainConfig) -> None:
    torch.set_num_threads(config.run.num_threads or torch.get_num_threads())
    prepare_device(config.run.device, tf32=False)
