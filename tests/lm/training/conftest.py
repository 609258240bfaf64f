import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driftwise.lm.corpora import Corpus
from driftwise.lm.training import TrainConfig, train_language_model


@pytest.fixture(scope="session")
def script() -> Path:
    return Path(__file__).with_name("small_runs.py")


@pytest.fixture(scope="session")
def configs(script: Path) -> dict[str, TrainConfig]:
    found: dict[str, TrainConfig] = runpy.run_path(str(script))["CONFIGS"]
    return found


@pytest.fixture(scope="session")
def corpus(script: Path) -> Corpus:
    made: Corpus = runpy.run_path(str(script))["corpus"]()
    return made


@pytest.fixture
def train(
    configs: dict[str, TrainConfig], corpus: Corpus, tmp_path: Path
) -> Callable[..., dict[str, Any]]:
    """A function that trains one of CONFIGS with some fields changed."""

    def call(name: str, runs: Path = tmp_path, **changes: Any) -> dict[str, Any]:
        return train_language_model(
            replace(configs[name], **changes),
            corpus=corpus,
            runs=runs,
            name=name,
            progress=False,
            tensorboard=False,
        )

    return call
