"""A synthetic language that drifts, with its exact optimum."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...envs.schedules import AtSteps, Hazard, Never, Periodic, Schedule
from .corpus import Corpus
from .drifting_optimum import Optimum, clairvoyant_nats, filtered_nats, static_table
from .sources import SPLITS
from .token_split import Documents, TokenSplit, id_dtype
from .tokenizer import EOS, UNK
from .words import Words

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class DriftingCorpus(Corpus):
    """A language of K topics, one at a time, hidden; each has bigram statistics of its own.

    Word t of a document is drawn from row w_{t-1} of the table of topic z_t,
    ``(1 - topic_weight) * common + topic_weight * own[z_t]``. The first word follows ``<eos>``,
    which is never drawn. The first topic of a document is any, all alike; at each change it becomes
    any other. Rows of the tables are Dirichlet draws around a Zipf law, in which word 1 is the most
    frequent.

    How well a reader can do is known exactly: :meth:`optimum`.

    Args:
        num_words: Number of words M; the vocabulary has ``<eos>`` and ``<unk>`` besides.
        num_topics: Number of topics K, at least 2.
        schedule: When the topic changes, counted from the start of a document: ``Hazard``,
            ``Never``, ``AtSteps``, or ``Periodic`` without jitter and with a phase.
        topic_weight: How much of a row is the topic's own, in (0, 1].
        concentration: Sum of the parameters of a Dirichlet draw: the smaller, the fewer words
            follow a word, and the more rows differ.
        document_length: Tokens of each document; None for one document a split.
        num_tokens: Tokens of train, valid and test, whole documents of which are made.
        seed: Seed of the language and of all splits.

    Attributes:
        tables: (K, M + 1, M + 1) probabilities, from the word before to the next, by topic.
        topics: (N,) topic of each token, by split.

    Raises:
        ValueError: An argument is out of range, or the schedule has no exact optimum here.
    """

    tables: FloatArray
    topics: dict[str, IntArray]

    def __init__(
        self,
        *,
        num_words: int = 200,
        num_topics: int = 8,
        schedule: Schedule = Hazard(0.005),  # noqa: B008 (frozen)
        topic_weight: float = 0.7,
        concentration: float = 20.0,
        document_length: int | None = None,
        num_tokens: tuple[int, int, int] = (1_000_000, 100_000, 100_000),
        seed: int = 0,
    ) -> None:
        if num_words < 2 or num_topics < 2:
            raise ValueError(
                f"num_words and num_topics must be at least 2, got {num_words} and {num_topics}"
            )
        if not 0 < topic_weight <= 1 or not concentration > 0:
            raise ValueError(
                "topic_weight must be in (0, 1] and concentration positive, got "
                f"{topic_weight} and {concentration}"
            )
        if (
            min(num_tokens) < (least := 1 if document_length is None else document_length)
            or least < 1
        ):
            raise ValueError(
                "num_tokens must be enough for a document, of at least one token, in each split, "
                f"got {num_tokens} and document_length={document_length}"
            )
        self.tables = _draw_tables(
            np.random.default_rng([seed, 0]), num_words, num_topics, topic_weight, concentration
        )
        self.schedule, self.topics = schedule, {}
        tokenizer = Words([EOS, *(f"w{i}" for i in range(1, num_words + 1)), UNK])
        splits = {}
        for split, size in zip(SPLITS, num_tokens, strict=True):
            rng = np.random.default_rng([seed, 1 + SPLITS.index(split)])
            length = document_length or size
            topics = _draw_topics(rng, schedule, size // length, length, num_topics)
            ids = _draw_words(rng, self.tables, topics)
            self.topics[split] = topics.ravel()
            splits[split] = _make_split(ids, tokenizer)
        counts = np.bincount(splits["train"].ids, minlength=len(tokenizer))
        super().__init__("drifting", tokenizer, splits, counts)

    @cached_property
    def _static_table(self) -> FloatArray:
        # All documents are as long as each other, but for those of one document a split.
        length = int(np.diff(self.train.documents.offsets)[0])
        return static_table(self.tables, hazards(self.schedule, length))

    def optimum(self, split: str) -> Optimum:
        """The least nats that three kinds of readers need for each token of a split.

        Takes some seconds for a million tokens.
        """
        tokens = self[split]
        count = len(tokens.documents)
        words = np.asarray(tokens.ids, np.int64).reshape(count, -1)
        before = np.concatenate([np.full((count, 1), tokens.eos), words[:, :-1]], axis=1)
        likelihoods = np.moveaxis(self.tables[:, before, words], 0, -1)  # (D, L, K)
        known = hazards(self.schedule, words.shape[1])
        return Optimum(
            static=-np.log(self._static_table[before, words]).ravel(),
            adaptive=filtered_nats(likelihoods, known).ravel(),
            clairvoyant=clairvoyant_nats(
                likelihoods, self.topics[split].reshape(words.shape)
            ).ravel(),
        )


def hazards(schedule: Schedule, length: int) -> FloatArray:
    """(L,) probability of a change at each step of a document, given all before.

    Raises:
        ValueError: It depends on more than the step.
    """
    steps = np.arange(length)[:, None]
    if isinstance(schedule, Hazard):
        known = np.full(length, schedule.probability)
    elif isinstance(schedule, Never | AtSteps) or (
        isinstance(schedule, Periodic) and not schedule.jitter and schedule.phase >= 0
    ):
        state = schedule.start(np.zeros((1, schedule.start_uniforms)))
        flags, _ = schedule.changes(steps, np.zeros((length, 1, schedule.step_uniforms)), state)
        known = np.broadcast_to(flags, (length, 1))[:, 0].astype(np.float64)
    else:
        raise ValueError(
            "schedule must be Hazard, Never, AtSteps, or Periodic without jitter and with a phase, "
            f"got {schedule!r}"
        )
    known[0] = 0.0  # No document changes at its first word.
    return known


def _draw_tables(
    rng: np.random.Generator, num_words: int, num_topics: int, weight: float, concentration: float
) -> FloatArray:
    zipf = 1 / np.arange(1, num_words + 1)
    alpha = concentration * zipf / zipf.sum()
    tables = np.zeros((num_topics, num_words + 1, num_words + 1))  # <eos> is never drawn
    common = rng.dirichlet(alpha, num_words + 1)
    own = rng.dirichlet(alpha, (num_topics, num_words + 1))
    tables[:, :, 1:] = (1 - weight) * common + weight * own
    return tables


def _draw_topics(
    rng: np.random.Generator, schedule: Schedule, count: int, length: int, num_topics: int
) -> IntArray:
    """(D, L) topics; changes are drawn with the probabilities that the optimum knows."""
    changes = rng.random((count, length)) < hazards(schedule, length)
    moves = np.where(changes, rng.integers(1, num_topics, (count, length)), 0)
    moves[:, 0] = rng.integers(num_topics, size=count)
    return moves.cumsum(1) % num_topics


def _draw_words(rng: np.random.Generator, tables: FloatArray, topics: IntArray) -> IntArray:
    """(D, L) words, by inversion of the cumulative rows."""
    size = tables.shape[-1]
    cumulative = tables.cumsum(-1)
    cumulative /= cumulative[..., -1:]
    flat = memoryview(cumulative.reshape(-1).data)  # which bisect searches in place
    words = np.empty(topics.shape, np.int64)
    uniforms = rng.random(topics.shape)
    for line, row, draws in zip(words, topics.tolist(), uniforms.tolist(), strict=True):
        word, out = 0, []
        for topic, uniform in zip(row, draws, strict=True):
            begin = (topic * size + word) * size
            word = bisect_right(flat, uniform, begin, begin + size) - begin
            out.append(word)
        line[:] = out
    return words


def _make_split(ids: IntArray, tokenizer: Words) -> TokenSplit:
    count, length = ids.shape
    letters = np.array([len(word) + 1 for word in tokenizer.words])  # and a blank
    documents = Documents(
        np.arange(count + 1) * length,
        np.arange(count),
        np.full(count, length),
        letters[ids].sum(1),
        np.array([f"document {i}" for i in range(count)]),
    )
    return TokenSplit(ids.ravel().astype(id_dtype(len(tokenizer))), documents, tokenizer.eos)
