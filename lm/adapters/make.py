"""From names to adapters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..corpora import Lanes, TokenSplit
from ..losses import AdaptiveSoftmax
from ..models import FastBlockLanguageModel, LanguageModel
from .config import (
    CacheConfig,
    DynamicConfig,
    DynamicRmsConfig,
    FwlConfig,
    HebbianAdapterConfig,
    KnnConfig,
    MbpaConfig,
    PartConfig,
    SlidingConfig,
    make_config,
    split_name,
)
from .dynamic_evaluation import DynamicEvaluation, gradient_statistics
from .hebbian import HebbianRows
from .local_adaptation import LocalAdaptation
from .memory import StreamMemory, WeightRule
from .nearest_neighbours import Datastore, NearestNeighbours, build_datastore
from .neural_cache import NeuralCache
from .reader import Reader

READING_LANES = 16  # of training text, for statistics and datastores


class AdapterMaker:
    """Makes adapters of one model, and shares what they need of the training data.

    Args:
        model: The model.
        train: The training split: for kNN and the statistics of ``dynamic_rms``.
        counts: (V,) how often each word is in it.
        length: Positions of a segment, after each of which weights move.
        reset_documents: Whether state and weights are reset where documents start, also in the
            training text.
    """

    def __init__(
        self,
        model: LanguageModel,
        train: TokenSplit,
        counts: Tensor,
        *,
        length: int,
        reset_documents: bool = True,
    ) -> None:
        self.model, self.train, self.length = model, train, length
        self.counts, self.reset_documents = counts, reset_documents
        self._statistics: dict[tuple[int, bool], dict[str, Tensor]] = {}
        self._datastores: dict[tuple[int, bool], Datastore] = {}

    def make(
        self, name: str, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> NamedReader:
        """An adapter by name.

        Args:
            name: A part, as ``"static"``, or several joined by +, as ``"cache+dynamic"``.
            settings: Settings by part, as ``{"cache": {"theta": 0.1}}``; defaults otherwise.

        Raises:
            TypeError: A setting has the wrong type.
            ValueError: The name is unknown, or a setting out of range.
        """
        configs = self._configs(name, settings)
        fast = "fwl" in configs
        return self._assemble(
            name,
            configs,
            lambda num_batches: self._gradient_statistics(num_batches, fast),
            lambda max_keys: self._datastore(max_keys, fast),
        )

    def check(self, name: str, settings: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Raise the errors of :meth:`make`, without reading any training data."""
        few = Datastore(torch.zeros(1, self.model.hidden_size), torch.zeros(1, dtype=torch.int64))
        self._assemble(name, self._configs(name, settings), lambda _: None, lambda _: few)

    def _assemble(
        self,
        name: str,
        configs: dict[str, PartConfig],
        statistics: Callable[[int], dict[str, Tensor] | None],
        datastore: Callable[[int], Datastore],
    ) -> NamedReader:
        """The reader, with what is taken from so many batches or words of training data."""
        block, sliding = configs.get("fwl"), configs.get("sliding")
        rules = [rule for c in configs.values() if (rule := self._rule(c, statistics)) is not None]
        memories = [m for c in configs.values() if (m := self._memory(c, datastore)) is not None]
        return NamedReader(
            name,
            configs,
            self.model,
            rules=rules,
            memories=memories,
            fast_block=block is not None,
            forget_every=block.forget_every if isinstance(block, FwlConfig) else 0,
            context=sliding.context if isinstance(sliding, SlidingConfig) else None,
            tail_shares=self._tail_shares,
        )

    def _configs(
        self, name: str, settings: Mapping[str, Mapping[str, Any]] | None
    ) -> dict[str, PartConfig]:
        """The settings of an adapter's parts."""
        given = settings or {}
        configs = {part: make_config(part, given.get(part, {})) for part in split_name(name)}
        if "fwl" in configs and not isinstance(self.model, FastBlockLanguageModel):
            raise ValueError("fwl needs a model that was trained with an adaptive block")
        return configs

    def _rule(
        self, config: PartConfig, statistics: Callable[[int], dict[str, Tensor] | None]
    ) -> WeightRule | None:
        if isinstance(config, DynamicConfig):
            return DynamicEvaluation(config.lr, self.length)
        if isinstance(config, DynamicRmsConfig):
            return DynamicEvaluation(
                config.lr,
                self.length,
                decay=config.decay,
                epsilon=config.epsilon,
                statistics=statistics(config.statistics_batches),
            )
        if isinstance(config, HebbianAdapterConfig):
            return HebbianRows(self.counts, config.gamma, config.T)
        return None

    def _memory(
        self, config: PartConfig, datastore: Callable[[int], Datastore]
    ) -> StreamMemory | None:
        if isinstance(config, CacheConfig):
            return NeuralCache(config.window, config.theta, config.weight)
        if isinstance(config, MbpaConfig):
            return LocalAdaptation(config.window, config.k, config.steps, config.lr, config.pull)
        if isinstance(config, KnnConfig):
            store = datastore(config.max_keys)
            return NearestNeighbours(store, config.k, config.temperature, config.weight)
        return None

    def _training_lanes(self) -> Lanes:
        return Lanes(
            self.train,
            min(READING_LANES, len(self.train)),
            self.length,
            order="given",
            epochs=1,
            reset_documents=self.reset_documents,
        )

    def _gradient_statistics(self, num_batches: int, fast: bool) -> dict[str, Tensor]:
        key = num_batches, fast
        if key not in self._statistics:
            self._statistics[key] = gradient_statistics(
                self.model, self._training_lanes(), num_batches=num_batches, fast_block=fast
            )
        return self._statistics[key]

    def _datastore(self, max_keys: int, fast: bool) -> Datastore:
        key = max_keys, fast
        if key not in self._datastores:
            self._datastores[key] = build_datastore(
                self.model, self._training_lanes(), max_keys, fast_block=fast
            )
        return self._datastores[key]

    @cached_property
    def _tail_shares(self) -> list[float] | None:
        """Share of the training words in each cluster of an adaptive softmax."""
        head = self.model.head
        if not isinstance(head, AdaptiveSoftmax):
            return None
        counts = self.counts.double()
        pieces = torch.tensor_split(counts, head.cutoffs)[1:]
        return [float(piece.sum() / counts.sum()) for piece in pieces]


class NamedReader(Reader):
    """A reader that knows its name and settings; the other arguments are those of a reader."""

    def __init__(
        self, name: str, configs: Mapping[str, PartConfig], model: LanguageModel, **options: Any
    ) -> None:
        super().__init__(model, **options)
        self.name, self.settings = name, {part: asdict(c) for part, c in configs.items()}

    def describe(self) -> str:
        """Its name, and what its parts are set to."""
        settings = {part: values for part, values in self.settings.items() if values}
        return f"{self.name} {json.dumps(settings)}" if settings else self.name
