"""Films as files."""

import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from driftwise.agents import RandomPlayer
from driftwise.agents.films import make_film, write_film
from driftwise.agents.films.writing import Palette, check_film_path, find_ffmpeg


class Few:
    """Frames of a few colours."""

    def __init__(self, count, seed, colors=40, shape=(10, 12)):
        rng = np.random.default_rng(seed)
        # Colours that differ in their upper six bits: fewer would be told apart by luck alone.
        palette = rng.permutation(2**18)[:colors]
        palette = np.stack([palette >> 12, palette >> 6 & 63, palette & 63], axis=-1) * 4 + 1
        self.frames = palette[rng.integers(colors, size=(count, *shape))].astype(np.uint8)
        # Much stays from frame to frame, as in films.
        still = rng.random((count, *shape)) < 0.7
        for t in range(1, count):
            self.frames[t][still[t]] = self.frames[t - 1][still[t]]

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, t):
        return self.frames[t]

    def typical(self):
        return range(len(self))


def read_gif(path):
    with Image.open(path) as film:
        frames = []
        for t in range(film.n_frames):
            film.seek(t)
            frames.append(np.array(film.convert("RGB")))
        return np.array(frames), film.info


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 8), colors=st.integers(2, 150))
def test_a_gif_of_few_colors_shows_exactly_the_frames(tmp_path_factory, seed, count, colors):
    path = tmp_path_factory.mktemp("films") / "a.gif"
    frames = Few(count, seed, colors)
    ticks = []
    write_film(path, frames, 20, lambda: ticks.append(1))
    read, info = read_gif(path)
    np.testing.assert_array_equal(read, frames.frames)
    assert (info["duration"], info["loop"], len(ticks)) == (50, 0, count)


def test_common_colors_are_kept_and_rare_ones_are_near():
    rng = np.random.default_rng(0)
    frame = np.full((64, 64, 3), 255, dtype=np.uint8)
    frame[:40] = (66, 74, 92)
    frame[40:48] = rng.integers(256, size=(8, 64, 3))
    frame[48, :9] = 253  # as white but for its lower bits
    palette = Palette([frame])
    seen = np.array(palette.image(palette.entries(frame)).convert("RGB"))
    np.testing.assert_array_equal(seen[:40], frame[:40])
    np.testing.assert_array_equal(seen[49:], 255)
    assert np.abs(seen[40:48].astype(int) - frame[40:48]).mean() < 30
    assert (seen[48] == 255).all()


def test_a_film_is_made_again_to_the_last_bit(tmp_path):
    arguments = ({"random": RandomPlayer()}, "driftwise/ShiftingMaze-v0", {"size": 5})
    for name in ("a.gif", "b.gif"):
        assert make_film(tmp_path / "new" / name, *arguments, steps=6, seed=2, size=400) == 7
    first, second = (tmp_path / "new" / name for name in ("a.gif", "b.gif"))
    assert first.read_bytes() == second.read_bytes()
    read, _ = read_gif(first)
    assert read.shape[::3] == (7, 3) and read.shape[2] == 400
    make_film(second, *arguments, steps=6, seed=3, size=400)
    assert first.read_bytes() != second.read_bytes()


def fake_ffmpeg(folder, monkeypatch, script):
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for ffmpeg is a shell script")
def test_the_case_of_an_ending_does_not_matter(tmp_path):
    assert check_film_path(tmp_path / "A.GIF") == tmp_path / "A.GIF"


def test_an_mp4_gets_every_frame(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path / "bin", monkeypatch, 'for out; do :; done; cat > "$out"')
    frames = Few(4, 0)
    write_film(tmp_path / "a.mp4", frames, 20)
    assert (tmp_path / "a.mp4").read_bytes() == frames.frames.tobytes()


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for ffmpeg is a shell script")
def test_what_ffmpeg_says_is_passed_on(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path / "bin", monkeypatch, "echo no codec for that >&2; exit 3")
    with pytest.raises(RuntimeError, match="ffmpeg failed: no codec for that"):
        write_film(tmp_path / "a.mp4", Few(400, 0), 20)
    assert not (tmp_path / "a.mp4").exists()


def test_without_ffmpeg_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(RuntimeError, match=r"needs ffmpeg: install it, or `pip install 'driftwise"):
        check_film_path(tmp_path / "new" / "a.mp4")
    assert not (tmp_path / "new").exists()


def test_a_real_mp4(tmp_path):
    try:
        find_ffmpeg()
    except RuntimeError as error:
        pytest.skip(str(error))
    write_film(tmp_path / "a.mp4", Few(30, 0, shape=(64, 80)), 20)
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"players": {}}, "players must be 1 to 3, got 0"),
        ({"players": dict.fromkeys("abcd", RandomPlayer())}, "players must be 1 to 3, got 4"),
        ({"fps": 0}, "fps must be from 1 to 50, got 0"),
        ({"size": 40}, "size must be from 400 to 1920, got 40"),
        ({"size": 401}, "size must be even, got 401"),
        ({"steps": 5, "episodes": 1}, "give exactly one of steps and episodes"),
        ({"out": "film.avi"}, "out must end in .gif or .mp4, got 'film.avi'"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    given = {"out": "a.gif", "players": {"r": RandomPlayer()}, "env_id": "driftwise/TwoStep-v0"}
    with pytest.raises(ValueError, match=message):
        make_film(**{**given, **options})
    assert list(tmp_path.iterdir()) == []
