"""The curriculum: batches, the gate and levels against plain Python; resuming; bad input."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import ClassCurriculum, Glyphs, ImageSet
from driftwise.envs.image_streams.gate import balanced_sample

SMALL: dict[str, Any] = {
    "start_classes": 6,
    "block_size": 5,
    "train_drawings": 5,
    "test_drawings": 3,
    "batch_size": 7,
    "check_every": 4,
    "probe_size": 20,
}


class Pupil:
    """Knows an image of a class after `needed` sightings; for the rest it says 0."""

    def __init__(self, stream: ClassCurriculum, needed: int, reading: Any) -> None:
        self.label_of = {int(k): label for label, k in enumerate(stream.class_order)}
        self.seen = np.zeros(stream.num_classes, dtype=int)
        self.needed, self.read_class, self.asked = needed, reading[0], []

    def update(self, labels: np.ndarray) -> None:
        np.add.at(self.seen, labels, 1)

    def predict(self, pictures: np.ndarray) -> np.ndarray:
        self.asked.append(len(pictures))
        labels = np.array([self.label_of[k] for k in self.read_class(pictures)])
        return np.where(self.seen[labels] >= self.needed, labels, 0)


def test_batches_are_of_active_classes_and_training_drawings(images: ImageSet, reading) -> None:
    stream = ClassCurriculum(images, seed=3, **SMALL)
    read_class, read_drawing = reading
    seen = np.zeros(70, dtype=int)
    drawings: set[int] = set()
    for batch in stream:
        assert batch.images.shape == (7, 28, 28) and batch.images.dtype == np.float32
        assert batch.labels.dtype == np.int64 and (batch.labels < stream.num_active).all()
        assert np.array_equal(read_class(batch.images), stream.class_order[batch.labels])
        drawings |= set(read_drawing(batch.images).tolist())
        np.add.at(seen, batch.labels, 1)
        assert np.array_equal(stream.sightings, seen)
        if stream.step == 400:
            break
        stream.observe(lambda pictures: np.zeros(len(pictures), dtype=int))
    assert drawings == set(range(5))
    assert (seen[:6] > 350).all() and not seen[6:].any()  # 466 each are expected
    held_out = stream.held_out(2, 4)
    assert held_out.labels.tolist() == [2, 2, 2, 3, 3, 3]
    assert np.array_equal(read_class(held_out.images), stream.class_order[held_out.labels])
    assert read_drawing(held_out.images).tolist() == [5, 6, 7, 5, 6, 7]
    assert stream.class_names[2] == f"class{stream.class_order[2]}"
    assert len(stream.held_out().labels) == 70 * 3


def test_the_order_depends_on_the_seed_alone(images: ImageSet) -> None:
    first = ClassCurriculum(images, seed=5, **SMALL)
    again = ClassCurriculum(images, seed=5, **{**SMALL, "num_classes": 20, "batch_size": 3})
    assert np.array_equal(first.class_order[:20], again.class_order)
    assert sorted(first.class_order) == list(range(70))
    expected = sorted(range(70), key=np.random.default_rng(5).random(70).tolist().__getitem__)
    assert first.class_order.tolist() == expected
    assert not np.array_equal(first.class_order, ClassCurriculum(images, **SMALL).class_order)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    needed=st.integers(1, 6),
    threshold=st.sampled_from([0.5, 0.6, 0.7, 1.0]),
    margin=st.sampled_from([0.0, 0.1]),
    probe_size=st.sampled_from([5, 20, 1000]),
)
def test_levels_against_plain_python(
    images: ImageSet, reading, seed: int, needed: int, threshold: float, margin: float, probe_size
) -> None:
    """The gate is worked out again from what the pupil has seen, check by check."""
    arguments = {**SMALL, "threshold": threshold, "probe_size": probe_size, "num_classes": 24}
    stream = ClassCurriculum(images, seed=seed, probe_margin=margin, **arguments)
    pupil = Pupil(stream, needed, reading)
    sizes, level, level_steps, steps, criterion = [6, 11, 16, 21, 24], 0, 0, [], [-1] * 24
    probes: dict[int, np.ndarray] = {}
    while level < 5:
        assert (stream.level, stream.num_active, stream.finished) == (level, sizes[level], False)
        assert stream.num_old == (sizes[level - 1] if level else 0)
        pupil.update(stream.next_batch().labels)
        level_steps += 1
        pupil.asked.clear()
        assert stream.due == (level_steps % 4 == 0)
        stream.observe(pupil.predict)
        stream.observe(pupil.predict)  # once is enough
        if level_steps % 4:
            assert not pupil.asked
            continue
        size, known = sizes[level], pupil.seen[: sizes[level]] >= needed
        known[0] = True  # it says 0 whenever it does not know
        if level not in probes:
            rng = np.random.default_rng([seed, 2, level])
            probes[level] = balanced_sample(size, 3, probe_size, rng)
        on_probe = known[probes[level] // 3].mean()
        assert stream.probe_accuracy == pytest.approx(on_probe)
        confirmed = on_probe >= threshold - margin
        everything = bool(probe_size < 3 * size and confirmed)
        assert pupil.asked == [min(probe_size, 3 * size)] + [3 * size] * everything
        if confirmed and known.mean() >= threshold:
            assert stream.accuracy_per_level[-1] == pytest.approx(known.mean())
            steps.append(level_steps)
            criterion[sizes[level - 1] if level else 0 : size] = pupil.seen[
                (sizes[level - 1] if level else 0) : size
            ].tolist()
            level, level_steps = level + 1, 0
    assert stream.finished and stream.steps_per_level.tolist() == steps
    assert stream.sightings_to_criterion.tolist() == criterion
    with pytest.raises(RuntimeError, match="the stream is finished"):
        stream.next_batch()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 200), st.integers(0, 99))
def test_balanced_samples(num_classes: int, per_class: int, size: int, seed: int) -> None:
    sample = balanced_sample(num_classes, per_class, size, np.random.default_rng(seed))
    assert len(sample) == min(size, num_classes * per_class) and (np.diff(sample) > 0).all()
    assert sample[0] >= 0 and sample[-1] < num_classes * per_class
    counts = np.bincount(sample // per_class, minlength=num_classes)
    assert counts.max() - counts.min() <= 1


def test_large_tests_come_in_chunks(images: ImageSet, reading) -> None:
    many = ImageSet("many", np.tile(images.images, (5, 1, 1, 1)), images.class_names * 5,
                    np.tile(images.background, 5))  # fmt: skip
    stream = ClassCurriculum(many, **{**SMALL, "start_classes": 350}, max_level_steps=4)
    asked: list[int] = []

    def predict(pictures: np.ndarray) -> np.ndarray:
        asked.append(len(pictures))
        return np.zeros(len(pictures), dtype=int)

    for _ in stream:
        stream.observe(predict)
    assert asked == [20] and stream.finished and stream.level == 0
    stream = ClassCurriculum(many, **{**SMALL, "start_classes": 350, "threshold": 0.0})
    asked.clear()
    for _ in stream:
        stream.observe(predict)
    assert asked == [20, 500, 500, 50] and stream.level == stream.levels.count == 1


def test_a_level_may_be_limited(images: ImageSet) -> None:
    stream = ClassCurriculum(images, **SMALL, max_level_steps=10)
    for _ in stream:
        stream.observe(lambda pictures: np.zeros(len(pictures), dtype=int))
    assert (stream.step, stream.level) == (10, 0) and stream.finished
    state = stream.state_dict()
    longer = ClassCurriculum(images, **SMALL, max_level_steps=13)
    longer.load_state_dict(state)
    for _ in longer:
        longer.observe(lambda pictures: np.zeros(len(pictures), dtype=int))
    assert longer.step == 13


def test_rotations(images: ImageSet) -> None:
    glyphs = Glyphs(10, 4)
    arguments: dict[str, Any] = {"start_classes": 3, "train_drawings": 2, "test_drawings": 2}
    stream = ClassCurriculum(glyphs, rotations=True, **arguments)
    assert stream.num_classes == 40 and sorted(stream.class_order) == list(range(40))
    turned = glyphs.with_rotations()
    expected = turned.images[stream.class_order, 2:].reshape(-1, 28, 28) / np.float32(255)
    assert np.array_equal(stream.held_out().images, expected)


# ---------------------------------------------------------------------- saving


def through_npz(state: dict[str, np.ndarray]) -> dict[str, Any]:
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return dict(np.load(file))


def through_json(state: dict[str, np.ndarray]) -> dict[str, Any]:
    return json.loads(json.dumps({key: value.tolist() for key, value in state.items()}))


@pytest.mark.parametrize("way", [through_npz, through_json])
@pytest.mark.parametrize("at", [0, 3, 4, 17, 40])
@pytest.mark.parametrize("observed", [True, False])
def test_resuming_mid_stream(images: ImageSet, reading, way, at: int, observed: bool) -> None:
    stream = ClassCurriculum(images, seed=1, **SMALL)
    pupil = Pupil(stream, 4, reading)
    for step in range(at):
        pupil.update(stream.next_batch().labels)
        if observed or step < at - 1:
            stream.observe(pupil.predict)
    state, seen = stream.state_dict(), pupil.seen.copy()
    kept = {key: value.copy() for key, value in state.items()}
    runs = []
    for target in (stream, ClassCurriculum(images, seed=1, **SMALL)):
        if target is not stream:
            target.load_state_dict(way(state))
        pupil.seen = seen.copy()
        run = []
        for _ in range(30):
            target.observe(pupil.predict)
            batch = target.next_batch()
            pupil.update(batch.labels)
            run.append((batch, target.level, target.probe_accuracy, target.sightings.copy()))
        runs.append((run, target.state_dict()))
    np.testing.assert_equal(runs[1], runs[0])
    np.testing.assert_equal(state, kept)  # it is a copy


def test_equal_streams_take_each_others_states(images: ImageSet) -> None:
    stream, same = (ClassCurriculum(images, **SMALL, num_classes=n) for n in (None, 70))
    stream.next_batch()
    same.load_state_dict(stream.state_dict())
    assert same.settings == stream.settings and same.step == 1


def test_states_of_other_streams(images: ImageSet) -> None:
    stream = ClassCurriculum(images, **SMALL)
    stream.next_batch()
    before = stream.state_dict()
    others = [
        ClassCurriculum(images, **SMALL, seed=1),  # another class order
        ClassCurriculum(images, **{**SMALL, "block_size": 6}),
        ClassCurriculum(images.select(np.arange(70)[::-1]), **SMALL),
    ]
    for other in others:
        with pytest.raises(ValueError, match=r"^state must be of a stream with \{.*\}, got \{"):
            stream.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match=r'with \{"block_size": 5\}, got \{"block_size": 6\}$'):
        stream.load_state_dict(others[1].state_dict())
    for broken, message in (
        (None, r"state must be what state_dict\(\) returned, got NoneType"),
        ({}, r"state must be what state_dict\(\) returned, got the keys \[\]"),
        ({**before, "class_order": np.arange(70)}, r"state\['class_order'\] must be the class ord"),
        ({**before, "level": np.array(99)}, r"state\['level'\] must be from 0 to 14, got 99"),
        ({**before, "sightings": np.zeros(3)}, r"state\['sightings'\] must have shape \(70,\)"),
        ({**before, "settings": None}, r"state\['settings'\] must be what state_dict\(\) returned"),
        ({**before, "step": np.array(-3)}, r"state\['step'\] must be at least 0, got -3"),
        ({**before, "sightings": -np.ones(70)}, r"state\['sightings'\] must be at least 0, got -1"),
        ({**before, "step": "one"}, r"state\['step'\] must hold finite numbers"),
        ({**before, "sightings": np.zeros(70)}, r"state\['sightings'\] must add up to 7, all im"),
        ({**before, "level_steps": np.array(9)}, r"state\['level_steps'\] must fit the other"),
        ({**before, "level": np.array(14)}, r"state\['steps_per_level'\] must fit the other"),
        ({**before, "asked": np.array(50)}, r"state\['asked'\] must fit .*, got 50"),
        ({**before, "probe_accuracy": np.array(7.0)}, r"state\['probe_accuracy'\] must fit"),
        ({**before, "accuracy_per_level": np.full(14, 5.0)}, r"state\['accuracy_per_level'\] must"),
        ({**before, "sightings_to_criterion": np.full(70, -5)}, "_to_criterion'. must fit"),
        ({**before, "generator": np.zeros(6, np.uint64)}, "must be one of PCG64, with an odd"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.load_state_dict(broken)  # type: ignore[arg-type]
    np.testing.assert_equal(stream.state_dict(), before)


# ---------------------------------------------------------------------- bad input


def test_scores_are_as_good_as_labels(images: ImageSet) -> None:
    streams = [ClassCurriculum(images, **SMALL) for _ in range(2)]
    for stream, scores in zip(streams, (False, True), strict=True):
        rng = np.random.default_rng(0)

        def predict(pictures: Any, rng: Any = rng, scores: bool = scores) -> Any:
            found = np.log(rng.random((len(pictures), 70)))
            found[:, 20:] = -np.inf
            return found if scores else found.argmax(axis=1)

        for _ in range(8):
            stream.next_batch()
            stream.observe(predict)
    np.testing.assert_equal(streams[0].state_dict(), streams[1].state_dict())


def test_tensors_with_gradients_are_as_good_as_arrays(images: ImageSet) -> None:
    torch = pytest.importorskip("torch")
    stream = ClassCurriculum(images, **SMALL)
    for _ in range(4):
        stream.next_batch()
    stream.observe(lambda pictures: torch.zeros(len(pictures), 70, requires_grad=True) + 1)
    assert not stream.due


def test_a_probe_at_the_threshold_less_its_margin_is_enough(images: ImageSet) -> None:
    """0.8 - 0.1 is more than 7 / 10 in floating point."""
    asked: list[int] = []

    def predict(pictures: Any) -> Any:  # right about the first seven of ten
        asked.append(len(pictures))
        labels = stream.held_out(0, 10).labels[: len(pictures)]
        return np.where(np.arange(len(labels)) < 7, labels, labels + 1)

    stream = ClassCurriculum(
        images, start_classes=10, check_every=1, test_drawings=2, train_drawings=6, probe_size=10,
        threshold=0.8, probe_margin=0.1, num_classes=20,
    )  # fmt: skip
    stream.next_batch()
    # Make the probe the first ten held-out drawings, which predict knows.
    stream._probe = lambda: np.arange(10)  # type: ignore[method-assign]
    stream.observe(predict)
    assert asked == [10, 20]


PREDICTIONS: list[tuple[Any, type[Exception], str]] = [
    (lambda n: np.zeros(n), TypeError, "predict must return integer labels, got float64"),
    (lambda n: np.zeros((n, 70), int), ValueError, r"must return labels \(18,\), got \(18, 70\)"),
    (lambda n: np.zeros(n - 1, int), ValueError, r"must return labels \(18,\), got \(17,\)"),
    (lambda n: np.full(n, 70), ValueError, r"must return labels in \[0, 70\), got 70"),
    (lambda n: np.full(n, -1), ValueError, r"must return labels in \[0, 70\), got -1"),
    (lambda n: np.zeros((n, 69)), TypeError, "predict must return integer labels, got float64"),
    (lambda n: np.full((n, 70), np.nan), ValueError, "must return scores that are numbers, got N"),
    (lambda n: None, TypeError, "predict must return integer labels, got object"),
]


@pytest.mark.parametrize(("predict", "error", "message"), PREDICTIONS)
def test_bad_predictions(images: ImageSet, predict: Any, error: Any, message: str) -> None:
    stream = ClassCurriculum(images, **SMALL)
    for _ in range(4):
        stream.next_batch()
    before = stream.state_dict()
    with pytest.raises(error, match=message):
        stream.observe(lambda pictures: predict(len(pictures)))
    np.testing.assert_equal(stream.state_dict(), before)
    with pytest.raises(RuntimeError, match=r"observe\(predict\) must be called after each update"):
        stream.next_batch()
    np.testing.assert_equal(stream.state_dict(), before)


ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"num_classes": 71}, ValueError, "num_classes must be at most 70, all of numbers, got 71"),
    ({"num_classes": 5}, ValueError, "start_classes must be at most num_classes=5, got 6"),
    ({"num_classes": 0}, ValueError, "num_classes must be at least 1, got 0"),
    ({"start_classes": 0}, ValueError, "start_classes must be at least 1, got 0"),
    ({"start_classes": 71}, ValueError, "start_classes must be at most num_classes=70, got 71"),
    ({"block_size": 0}, ValueError, "block_size must be at least 1, got 0"),
    ({"threshold": 1.1}, ValueError, r"threshold must be a probability in \[0, 1\], got 1.1"),
    ({"train_drawings": 6}, ValueError, r"must be at most 8, all drawings .*, got 6 \+ 3"),
    ({"test_drawings": 0}, ValueError, "test_drawings must be at least 1, got 0"),
    ({"batch_size": 1.5}, TypeError, r"batch_size must be an integer, got 1\.5"),
    ({"check_every": 0}, ValueError, "check_every must be at least 1, got 0"),
    ({"probe_size": 0}, ValueError, "probe_size must be at least 1, got 0"),
    ({"probe_margin": -0.1}, ValueError, "probe_margin must be at least 0 and finite, got -0.1"),
    ({"max_level_steps": 0}, ValueError, "max_level_steps must be at least 1, got 0"),
    ({"max_level_steps": 3}, ValueError, "max_level_steps must be at least check_every=4"),
    ({"rotations": True, "num_classes": 281}, ValueError, "280, all of numbers, rotated, got 281"),
    ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
    ({"rotations": 1}, TypeError, "rotations must be True or False, got 1"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), ARGUMENTS, ids=str)
def test_bad_arguments(images: ImageSet, wrong: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        ClassCurriculum(images, **{**SMALL, **wrong})
    assert "\n" not in str(caught.value)


def test_bad_images_and_labels(images: ImageSet) -> None:
    with pytest.raises(TypeError, match=r"images must be an ImageSet, such as Omniglot\(\) or"):
        ClassCurriculum("omniglot")  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"images must be an ImageSet, such as .*, got array"
    ) as one:
        ClassCurriculum(images.images)  # type: ignore[arg-type]
    assert "\n" not in str(one.value) and len(str(one.value)) < 150
    stream = ClassCurriculum(images, **SMALL)
    for first, stop in ((-1, 5), (5, 5), (0, 71)):
        with pytest.raises(ValueError, match="first and stop must be labels with 0 <= first < sto"):
            stream.held_out(first, stop)
