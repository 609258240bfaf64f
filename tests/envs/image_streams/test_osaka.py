"""The OSAKA stream: how long tasks stay, what they are made of, resuming, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import ImageSet, Osaka, OsakaEpisodes

SMALL: dict[str, Any] = {"num_ways": 4, "num_shots": 3, "num_steps": None}


@pytest.fixture(scope="module")
def others(numbers) -> list[ImageSet]:
    return [numbers(10, 30), numbers(12, 25)]


def test_how_long_tasks_stay_and_how_often_modes_come(images: ImageSet, others) -> None:
    stream = Osaka(images, others, stay_probability=0.9, **SMALL)
    batches = [stream.next_batch() for _ in range(4000)]
    changed = np.array([batch.changed for batch in batches])
    modes = np.array([batch.mode for batch in batches])
    assert changed[0] and changed.sum() == stream.num_changes
    # Binomial: 400 changes expected, standard deviation 19; of some 400 tasks, 200 of mode 0, 10.
    assert abs(changed.sum() - 400) < 80
    assert abs((modes[changed] == 0).mean() - 0.5) < 0.1
    assert all(abs((modes[changed] == mode).mean() - 0.25) < 0.1 for mode in (1, 2))
    assert not (modes[1:] != modes[:-1])[~changed[1:]].any()


def test_a_task_is_the_same_classes_under_the_same_labels(
    images: ImageSet, others, reading
) -> None:
    stream = Osaka(images, others, seed=3, stay_probability=0.8, **SMALL)
    classes: np.ndarray = np.array([])
    drawn = set()
    for _ in range(200):
        batch = stream.next_batch()
        assert batch.images.shape == (12, 28, 28) and batch.images.dtype == np.float32
        assert batch.labels.tolist() == np.repeat(range(4), 3).tolist()
        found = reading[0](batch.images).reshape(4, 3)
        assert (found == found[:, :1]).all() and len(set(found[:, 0])) == 4
        if batch.changed:
            classes = found[:, 0]
        assert np.array_equal(found[:, 0], classes) and np.array_equal(stream.task.classes, classes)
        if batch.mode == 1:
            drawn |= set(reading[1](batch.images).tolist())
    assert drawn == set(range(30))  # all drawings, those to test on elsewhere included


def test_raw_pixels_of_the_other_sets(images: ImageSet, others) -> None:
    plain, raw = (Osaka(images, others, raw_others=raw, **SMALL) for raw in (False, True))
    for _ in range(200):
        batch, other = plain.next_batch(), raw.next_batch()
        factor = 255 if batch.mode else 1
        np.testing.assert_allclose(other.images, batch.images * factor, rtol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.98, 1.0]), st.integers(0, 30))
def test_resuming(images: ImageSet, others, seed: int, stay: float, at: int) -> None:
    def make() -> Osaka:
        return Osaka(images, others, seed=seed, stay_probability=stay, **SMALL)

    stream, other = make(), make()
    for _ in range(at):
        stream.next_batch()
    state = {key: value.copy() for key, value in stream.state_dict().items()}
    expected = [stream.next_batch() for _ in range(10)]
    other.next_batch()
    other.load_state_dict(state)
    np.testing.assert_equal([other.next_batch() for _ in range(10)], expected)
    np.testing.assert_equal(other.state_dict(), stream.state_dict())


def test_an_episode_of_a_task_leaves_the_stream_alone(images: ImageSet, others, reading) -> None:
    stream, alone = (Osaka(images, others, **SMALL) for _ in range(2))
    stream.next_batch(), alone.next_batch()
    episode = stream.episode(stream.task, seed=5, num_queries=4)
    again = stream.episode(stream.task, seed=5, num_queries=4)
    np.testing.assert_equal(episode, again)
    assert episode.images.shape[0] == 12 and episode.query_images.shape[0] == 16
    for pictures, labels in (episode[:2], episode[2:]):
        assert np.array_equal(reading[0](pictures), stream.task.classes[labels])
    drawings = [
        set(zip(reading[0](p), reading[1](p), strict=True)) for p in (episode[0], episode[2])
    ]
    assert len(drawings[0]) == 12 and len(drawings[1]) == 16 and not drawings[0] & drawings[1]
    np.testing.assert_equal(stream.next_batch(), alone.next_batch())
    with pytest.raises(ValueError, match=r"num_queries must be at most \d+, all drawings"):
        stream.episode(stream.task, seed=0, num_queries=60)


def test_pretraining_takes_halves_of_the_drawings(images: ImageSet, reading) -> None:
    stream = OsakaEpisodes(images, num_ways=4, num_shots=3, num_queries=6)
    learned, asked = set(), set()
    for _ in range(60):
        episode = stream.next_batch()
        assert np.array_equal(
            reading[0](episode.images)[::3], reading[0](episode.query_images)[::6]
        )
        learned |= set(reading[1](episode.images).tolist())
        asked |= set(reading[1](episode.query_images).tolist())
    assert (learned, asked) == (set(range(4)), set(range(4, 8)))
    other = OsakaEpisodes(images, num_ways=4, num_shots=3, num_queries=6)
    other.load_state_dict(stream.state_dict())
    np.testing.assert_equal(other.next_batch(), stream.next_batch())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stay_probability": 1.5}, r"stay_probability must be a probability in \[0, 1\], got 1.5"),
        ({"probabilities": (0.5, 0.5)}, "probabilities must be 3 numbers, .* that add up to 1"),
        ({"probabilities": (0.5, 0.2, 0.2)}, "probabilities must be 3 numbers"),
        ({"num_ways": 11}, "num_ways must be at most 10, all of numbers, got 11"),
        ({"num_shots": 0}, "num_shots must be at least 1, got 0"),
        ({"num_steps": 0}, "num_steps must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_arguments(images: ImageSet, others, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Osaka(images, others, **{**SMALL, **wrong})


def test_bad_images_and_states(images: ImageSet, others) -> None:
    with pytest.raises(TypeError, match="others must be ImageSets"):
        Osaka(images, [None], probabilities=(0.5, 0.5))  # type: ignore[list-item]
    stream = Osaka(images, others, **SMALL)
    with pytest.raises(ValueError, match="state must be of a stream with"):
        stream.load_state_dict(Osaka(images, others[::-1], **SMALL).state_dict())
    with pytest.raises(ValueError, match=r"state\['mode'\] must be from -1 to 2, got 3"):
        stream.load_state_dict({**stream.state_dict(), "mode": np.array(3)})
    with pytest.raises(ValueError, match=r"state\['classes'\] must be in \[0, "):
        stream.load_state_dict({**stream.state_dict(), "classes": np.full(stream.num_ways, 9999)})
    with pytest.raises(ValueError, match="num_ways must be at most 70"):
        OsakaEpisodes(images, num_ways=71)
