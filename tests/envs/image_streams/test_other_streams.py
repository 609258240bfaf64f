"""Class-incremental, i.i.d. and few-shot streams: what comes, resuming, bad input, speed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import (
    ClassCurriculum,
    ClassIncremental,
    FewShotEpisodes,
    IIDStream,
    ImageSet,
    ImageStream,
)

SMALL: dict[str, Any] = {"train_drawings": 5, "test_drawings": 3, "batch_size": 9}


def test_tasks_have_classes_of_their_own(images: ImageSet, reading) -> None:
    stream = ClassIncremental(images, seed=2, classes_per_task=30, steps_per_task=11, **SMALL)
    assert (stream.num_tasks, stream.num_batches) == (3, 33)
    seen: list[set[int]] = [set(), set(), set()]
    for number, batch in enumerate(stream):
        assert stream.task == number // 11 and stream.step == number + 1
        seen[stream.task] |= set(batch.labels.tolist())
        assert np.array_equal(reading[0](batch.images), stream.class_order[batch.labels])
        assert reading[1](batch.images).max() < 5
        stream.observe(lambda pictures: 1 / 0)  # nobody is asked
    assert stream.finished
    for task, (first, stop) in enumerate([(0, 30), (30, 60), (60, 70)]):
        assert stream.labels_of(task) == (first, stop)
        assert seen[task] <= set(range(first, stop)) and len(seen[task]) > 0.8 * (stop - first)
    assert sum(stream.sightings) == 33 * 9


def test_all_classes_at_any_time(images: ImageSet) -> None:
    stream = IIDStream(images, num_classes=40, num_batches=500, **SMALL)
    labels = np.concatenate([batch.labels for batch in stream])
    counts = np.bincount(labels, minlength=40)
    assert len(counts) == 40 and np.array_equal(stream.sightings, counts)
    # Pearson's statistic of 4,500 draws: 39 expected, standard deviation 8.8.
    assert ((counts - 112.5) ** 2 / 112.5).sum() < 39 + 4 * 8.8
    assert next(iter(IIDStream(images, **SMALL))).labels.max() >= 0
    assert not IIDStream(images, **SMALL).finished


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 4), st.integers(0, 500))
def test_episodes(images, reading, num_ways: int, num_shots: int, num_queries: int, seed) -> None:
    stream = FewShotEpisodes(
        images, seed=seed, num_ways=num_ways, num_shots=num_shots, num_queries=num_queries
    )
    read_class, read_drawing = reading
    for _ in range(3):
        episode = stream.next_batch()
        assert episode.labels.tolist() == np.repeat(range(num_ways), num_shots).tolist()
        assert episode.query_labels.tolist() == np.repeat(range(num_ways), num_queries).tolist()
        assert episode.images.shape == (num_ways * num_shots, 28, 28)
        assert episode.query_images.shape == (num_ways * num_queries, 28, 28)
        pictures = np.concatenate([episode.images, episode.query_images])
        labels = np.concatenate([episode.labels, episode.query_labels])
        classes = read_class(pictures)
        assert len(set(zip(classes, labels, strict=True))) == num_ways == len(set(classes))
        drawn = set(zip(classes, read_drawing(pictures), strict=True))
        assert len(drawn) == len(pictures)  # no drawing twice


def test_episodes_use_all_classes_and_drawings(images: ImageSet, reading) -> None:
    stream = FewShotEpisodes(images.split("evaluation"), num_queries=2, num_episodes=400)
    read_class, read_drawing = reading
    first = np.concatenate([episode.images for episode in stream])
    assert set(read_class(first)) == set(range(35, 70)) and set(read_drawing(first)) == set(
        range(8)
    )
    assert stream.finished and stream.num_classes == 5


STREAMS = {
    "incremental": lambda images: ClassIncremental(images, steps_per_task=7, **SMALL),
    "iid": lambda images: IIDStream(images, **SMALL),
    "few-shot": lambda images: FewShotEpisodes(images, num_queries=3),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_resuming(images: ImageSet, kind: str) -> None:
    stream, other = STREAMS[kind](images), STREAMS[kind](images)
    for _ in range(5):
        stream.next_batch()
    state = stream.state_dict()
    expected = [stream.next_batch() for _ in range(5)]
    other.next_batch()
    other.load_state_dict(state)
    np.testing.assert_equal([other.next_batch() for _ in range(5)], expected)
    np.testing.assert_equal(other.state_dict(), stream.state_dict())
    for name, make in STREAMS.items():
        if name != kind:
            with pytest.raises(ValueError, match="state must be of a stream with"):
                make(images).load_state_dict(state)


def test_tasks_that_there_are_not(images: ImageSet) -> None:
    stream = ClassIncremental(images, **SMALL)
    assert stream.labels_of(stream.num_tasks - 1)[1] == stream.num_classes
    for task in (-1, stream.num_tasks):
        with pytest.raises(ValueError, match=r"task must be in \[0, "):
            stream.labels_of(task)


WRONG: list[tuple[type[ImageStream], dict[str, Any], str]] = [
    (FewShotEpisodes, {"num_ways": 71}, "num_ways must be at most 70, all of numbers, got 71"),
    (FewShotEpisodes, {"num_queries": 8}, r"must be at most 8, all drawings of .*, got 1 \+ 8"),
    (FewShotEpisodes, {"num_shots": 0}, "num_shots must be at least 1, got 0"),
    (FewShotEpisodes, {"num_episodes": 0}, "num_episodes must be at least 1, got 0"),
    (ClassIncremental, {**SMALL, "steps_per_task": 0}, "steps_per_task must be at least 1, got 0"),
    (ClassIncremental, {**SMALL, "classes_per_task": 0}, "classes_per_task must be at least 1"),
    (IIDStream, {**SMALL, "num_batches": 0}, "num_batches must be at least 1, got 0"),
    (IIDStream, {**SMALL, "num_classes": 71}, "num_classes must be at most 70, all of numbers"),
]


@pytest.mark.parametrize(("kind", "arguments", "message"), WRONG, ids=str)
def test_bad_arguments(images: ImageSet, kind: Any, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(images, **arguments)


@pytest.mark.parametrize("kind", [ClassCurriculum, IIDStream, ClassIncremental])
def test_speed(kind: Any) -> None:
    """Batches of 32 as float32, from 1,623 classes; the floor is a small part of what we see."""
    pixels = np.random.default_rng(0).integers(256, size=(1623, 20, 28, 28), dtype=np.uint8)
    many = ImageSet("noise", pixels, ("",) * 1623, np.ones(1623, dtype=bool))
    stream = kind(many, check_every=10**9) if kind is ClassCurriculum else kind(many)
    best = np.inf
    for _ in range(5):
        begin = time.process_time()
        for _ in range(200):
            stream.next_batch()
        best = min(best, time.process_time() - begin)
    assert 200 * 32 / best > 200_000
