"""A run of a text task, opened to be looked at: its weights and the text that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlmem.checkpoint import load_language_model
from rlmem.errors import check
from rlmem.experiments.device import choose_device
from rlmem.experiments.lm.block import NO_ITEM, Split, Stream
from rlmem.experiments.lm.passage import Passage, Spelling
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.reproduce.records import Record
from rlmem.language_model import LanguageModel


@dataclass(frozen=True)
class TrainedModel:
    """A run's last checkpoint and its data.

    Args:
        model: in evaluation mode.
        config: of the run.
        spelling: of its symbols.
    """

    model: LanguageModel
    config: LanguageTrainConfig
    spelling: Spelling

    @classmethod
    def open(cls, record: Record) -> TrainedModel:
        """The model of a run in result.json.

        Raises:
            UsageError: the run is of no text task, or its text is not what it was.
        """
        directory = LanguageRunFolder(Path(record["path"]))
        checkpoint = directory.checkpoints.choose(None, f"rlmem lm eval {directory.path}")
        corpus = LANGUAGE_TASKS[directory.config.task].open_corpus(directory.config.options)
        directory.check_same_vocabulary(corpus)
        check(corpus.vocabulary is not None, f"{directory.path} is of a task without text; give a text task's run")
        assert corpus.vocabulary is not None, "it was checked"
        model = load_language_model(checkpoint / "model.safetensors", choose_device("auto")).eval()
        return cls(model, directory.config, Spelling(corpus.vocabulary))

    def stream(self, split: Split) -> Stream:
        """A split in one row, so that everything is read in order with all that came before in memory."""
        return LANGUAGE_TASKS[self.config.task].make_streams(self.config.options, split, 1, 0)

    def read_passage(self, split: Split, length: int) -> Passage:
        """The first symbols of a split, fewer where it is shorter.

        Args:
            split: which one.
            length: how many.
        """
        stream, symbols = self.stream(split), np.zeros(0, np.int64)
        while len(symbols) < length:
            block = stream.next_block(min(self.config.learner.block, length - len(symbols)))
            if block is None:
                break
            symbols = np.concatenate([symbols, block.inputs[0][block.item[0] != NO_ITEM].numpy()])
        return self.spelling.passage(symbols)
