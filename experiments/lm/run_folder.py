"""The folder of a language model's run, as `rlmem.experiments.run_directory` describes it, and its vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

from rlmem.errors import RlmemError
from rlmem.experiments.atomic_files import write_json
from rlmem.experiments.lm.tasks import Corpus
from rlmem.experiments.lm.train_config import LanguageTrainConfig
from rlmem.experiments.lm.vocabulary import Vocabulary
from rlmem.experiments.run_directory import LANGUAGE_MODEL, RunFolder, create_folder, read_config
from rlmem.experiments.train_config import ConfigError


class LanguageRunFolder(RunFolder[LanguageTrainConfig]):
    """The folder of a run, opened.

    Args:
        path: the folder; it holds a config.json.

    Raises:
        ConfigError: config.json is damaged.
        UsageError: it is an agent's.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_config(path, LanguageTrainConfig.from_json, LANGUAGE_MODEL))

    @classmethod
    def create(cls, config: LanguageTrainConfig, corpus: Corpus, root: Path, name: str | None) -> LanguageRunFolder:
        """Make the folder of a new run, see `create_folder`, and keep the text's vocabulary in it."""
        path = create_folder(config, root, config.task, name)
        if corpus.vocabulary is not None:
            write_json(path / "vocabulary.json", corpus.vocabulary.to_json())
        return cls(path)

    def vocabulary(self) -> Vocabulary:
        """What the run was trained on.

        Raises:
            ConfigError: it is missing or damaged.
        """
        file = self.path / "vocabulary.json"
        try:
            return Vocabulary.from_json(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, json.JSONDecodeError, UnicodeDecodeError, RlmemError) as error:
            raise ConfigError(f"{file} is no whole vocabulary ({error}); train the run anew") from error

    def check_same_vocabulary(self, corpus: Corpus) -> None:
        """Refuse data whose symbols stand for something else than those that the run was trained on.

        Raises:
            UsageError: the vocabularies differ.
            ConfigError: the run's is missing or damaged.
        """
        if corpus.vocabulary is not None:
            corpus.vocabulary.check_same(self.vocabulary())
