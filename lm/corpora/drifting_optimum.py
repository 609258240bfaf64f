"""What the best readers of a drifting language lose.

Letters: D documents, L tokens of each, K topics, V ids. The topic is a Markov chain, uniform at the
start of a document, that moves to any other topic with probability h_t before word t.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Optimum(NamedTuple):
    """Nats per token, (N,) each, of three readers who know the language.

    Attributes:
        static: Who sees the word before, and never adapts: of all fixed tables p(word | word
            before), the one with the least expected loss over a document.
        adaptive: Who sees all words before in the document: Bayes' rule over the topics. No reader
            expects less without knowing the topics.
        clairvoyant: Who is told the topic.
    """

    static: FloatArray
    adaptive: FloatArray
    clairvoyant: FloatArray


def filtered_nats(likelihoods: FloatArray, hazards: FloatArray) -> FloatArray:
    """-log p(w_t | w_1 ... w_{t-1}) by the forward algorithm.

    Args:
        likelihoods: (D, L, K) probability of each word, given the word before and each topic.
        hazards: (L,) probability that the topic has changed before the word.

    Returns:
        (D, L) nats.
    """
    count, length, num_topics = likelihoods.shape
    belief = np.full((count, num_topics), 1 / num_topics)
    evidence = np.empty((count, length))
    for t, hazard in enumerate(hazards.tolist()):
        belief = (1 - hazard) * belief + hazard / (num_topics - 1) * (1 - belief)
        belief *= likelihoods[:, t]
        evidence[:, t] = total = belief.sum(1)
        belief /= total[:, None]
    return -np.log(evidence)


def clairvoyant_nats(likelihoods: FloatArray, topics: IntArray) -> FloatArray:
    """-log p(w_t | w_{t-1}, z_t): (D, L) nats, from (D, L, K) and the (D, L) topics."""
    return -np.log(np.take_along_axis(likelihoods, topics[..., None], axis=-1)[..., 0])


def static_table(tables: FloatArray, hazards: FloatArray) -> FloatArray:
    """The fixed table p(word | word before) with the least expected loss over a document.

    It is the mixture of the topics' tables by p(topic | word before), averaged over the L steps:
    the law of (topic, word before) is carried from step to step, until it stays as it is if the
    hazard does.

    Args:
        tables: (K, V, V) probabilities, from the word before to the next; 0 is the word before the
            first.
        hazards: (L,) probability that the topic changes.

    Returns:
        (V, V); words that are never reached have a row of zeros.
    """
    num_topics, size, _ = tables.shape
    law = np.zeros((num_topics, size))
    law[:, 0] = 1 / num_topics
    before = total = np.zeros_like(law)
    # The last step at which the hazard differs from the one before.
    unsettled = np.flatnonzero(np.diff(hazards)).max(initial=-1) + 1
    for t, hazard in enumerate(hazards.tolist()):
        law = (1 - hazard) * law + hazard / (num_topics - 1) * (law.sum(0) - law)
        total = total + law
        following = np.matmul(law[:, None], tables)[:, 0]
        if t > unsettled and np.abs(following - before).max() < 1e-16:
            total += (len(hazards) - 1 - t) * law
            break
        law = before = following
    mass = total.sum(0)
    table: FloatArray = np.einsum("kv,kvw->vw", total, tables)
    return np.divide(table, mass[:, None], out=np.zeros_like(table), where=mass[:, None] > 0)
