"""From nats per token to a report: perplexities, buckets, intervals, costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpora import TokenSplit
from .breakdown import by_frequency, by_occurrence, by_position
from .intervals import ratio_interval, unit_edges
from .stream_evaluator import Reading

Floats = NDArray[np.float64]
REFERENCE = "static"


def build_report(
    readings: Mapping[str, Reading],
    split: TokenSplit,
    counts: NDArray[np.int64],
    protocol: str,
) -> dict[str, Any]:
    """A report of adapters on the same stream, as plain data.

    Perplexities are per word, whatever the tokens; those of buckets are per token, since a word may
    have tokens in several. Where there is a reading of ``static``, costs are given as ratios to
    its, and ``gain`` is its nats per word minus those of the adapter, resampled together, so that
    what makes some texts harder than others cancels.

    Args:
        readings: By the adapter's name.
        split: The stream.
        counts: (V,) how often each id is in the training text.
        protocol: How it was read.
    """
    edges, units = unit_edges(split.documents.offsets)
    words = _words_of_units(split, edges)
    groups = {
        "frequency": by_frequency(split, counts),
        "occurrence": by_occurrence(split),
        "position": by_position(split),
    }
    reference = readings.get(REFERENCE)
    adapters = {}
    for name, reading in readings.items():
        nats = reading.nats.astype(np.float64)
        per_unit = np.add.reduceat(nats, edges[:-1])
        loss = ratio_interval(per_unit, words)
        entry: dict[str, Any] = {
            "adapter": reading.adapter,
            "word_perplexity": {
                "value": _exp(loss.value),
                "low": _exp(loss.low),
                "high": _exp(loss.high),
                "n": loss.n,
            },
            "nats_per_word": loss.value,
            "nats_per_token": float(nats.mean()),
            "bits_per_byte": float(nats.sum()) / split.num_bytes / math.log(2),
            "seconds": reading.seconds,
            "flops_per_token": reading.flops_per_token,
        }
        if reference is not None:
            base = np.add.reduceat(reference.nats.astype(np.float64), edges[:-1])
            entry["gain"] = ratio_interval(base - per_unit, words)._asdict()
            entry["seconds_ratio"] = reading.seconds / reference.seconds
            entry["flops_ratio"] = reading.flops_per_token / reference.flops_per_token
        for group, (bucket, labels) in groups.items():
            entry[group] = _perplexities(nats, bucket, labels)
        adapters[name] = entry
    return {
        "protocol": f"{protocol}; perplexity per word, buckets per token; 95 % intervals by "
        f"resampling {units}",
        "tokens": len(split),
        "words": split.num_words,
        "bytes": split.num_bytes,
        "adapters": adapters,
    }


def format_report(report: Mapping[str, Any]) -> str:
    """A table for the terminal."""
    lines = [
        f"{'adapter':<26}{'perplexity':>11}{'[95 %':>10}{']':>9}{'gain':>8}{'bits/byte':>11}"
        f"{'seconds':>9}{'time':>7}{'FLOPs':>7}"
    ]
    for name, entry in report["adapters"].items():
        found = entry["word_perplexity"]
        gain, ratios = "", ("", "")
        if "gain" in entry:
            gain = f"{entry['gain']['value']:.3f}"
            ratios = f"{entry['seconds_ratio']:.2f}x", f"{entry['flops_ratio']:.2f}x"
        lines.append(
            f"{name:<26}{found['value']:>11.2f}{found['low']:>10.2f}{found['high']:>9.2f}{gain:>8}"
            f"{entry['bits_per_byte']:>11.4f}{entry['seconds']:>9.1f}{ratios[0]:>7}{ratios[1]:>7}"
        )
    return "\n".join(lines)


def _words_of_units(split: TokenSplit, edges: NDArray[np.int64]) -> Floats:
    """Words of each unit; those of a stream are spread evenly over its tokens."""
    if len(edges) == len(split.documents.offsets):
        return split.documents.words.astype(np.float64)
    words: Floats = np.diff(edges) * (split.num_words / len(split))
    return words


def _perplexities(
    nats: Floats, bucket: NDArray[np.int64], labels: list[str]
) -> dict[str, dict[str, float | int]]:
    """Perplexity per token and number of tokens of each bucket that has any."""
    sums = np.bincount(bucket, nats, minlength=len(labels))
    sizes = np.bincount(bucket, minlength=len(labels))
    return {
        label: {"perplexity": _exp(total / size), "tokens": int(size)}
        for label, total, size in zip(labels, sums.tolist(), sizes.tolist(), strict=True)
        if size
    }


def _exp(nats: float) -> float:
    return math.exp(min(nats, 700.0))  # the largest number of what has diverged
