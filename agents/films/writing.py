"""Films as files: GIF through Pillow, MP4 through ffmpeg where there is one."""

import contextlib
import io
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ...tracking import make_writable_folder, write_bytes
from .recording import Image

_COLORS = 160  # of a GIF
_UNCHANGED = 255  # the entry for transparent: what was there before stays


class FramesLike(Protocol):
    """Frames of one size."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, t: int, /) -> Image:
        """One of them, (height, width, 3)."""

    def typical(self) -> Sequence[int]:
        """Which of them have between them all the colours there are."""


def check_film_path(out: str | os.PathLike[str]) -> Path:
    """Make the folder that a film is to be written to, and prove that it can be written.

    Raises:
        ValueError: if the name does not end in .gif or .mp4, or is that of a folder.
        RuntimeError: for an MP4 where there is no ffmpeg.
        OSError: if the folder cannot be written to; names it.
    """
    out = Path(out)
    if out.suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"out must end in .gif or .mp4, got {str(out)!r}")
    if out.is_dir():
        raise ValueError(f"out must be a file, but {str(out)!r} is a folder")
    if out.suffix.lower() == ".mp4":
        find_ffmpeg()
    make_writable_folder(out.parent)
    return out


def write_film(
    out: Path, frames: FramesLike, fps: int, tick: Callable[[], object] = lambda: None
) -> None:
    """Write a film atomically; each frame is drawn as it is written.

    Args:
        out: where to; a path that :func:`check_film_path` has passed.
        frames: what is shown.
        fps: frames per second; a GIF rounds the time of a frame to hundredths of a second.
        tick: called for every frame.

    Raises:
        RuntimeError: if ffmpeg fails.
        OSError: if the file cannot be written.
    """

    def drawn() -> Iterator[Image]:
        for t in range(len(frames)):
            tick()
            yield frames[t]

    if out.suffix.lower() == ".mp4":
        write_bytes(out, _mp4(drawn(), fps))
    else:
        palette = Palette([frames[t] for t in frames.typical()])
        write_bytes(out, _gif(drawn(), palette, fps))


class Palette:
    """A few colours for all frames, and which of them stands for which other.

    Colours are told apart by their upper six bits. Of those that are then the same, the most common
    one is kept as it is, so that flat areas stay what they were; colours too rare to be among the
    few, of soft edges mostly, become a similar one.

    Args:
        frames: frames that have all colours between them.
    """

    def __init__(self, frames: Sequence[Image]) -> None:
        height, width = frames[0].shape[:2]
        counted = Pillow.fromarray(np.concatenate(frames)).getcolors(len(frames) * height * width)
        counts, colors = zip(*(counted or ()), strict=True)
        common = np.array(colors, dtype=np.uint8)[np.argsort(counts)[::-1]]
        cells = _cells(common)
        kept = np.sort(np.unique(cells, return_index=True)[1])[:_COLORS]
        self._image = Pillow.new("P", (1, 1))
        self._image.putpalette(common[kept].tobytes())
        levels = np.arange(2, 256, 4, dtype=np.uint8)
        every = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
        similar = Pillow.fromarray(every.reshape(512, 512, 3)).quantize(
            palette=self._image, dither=Pillow.Dither.NONE
        )
        self._entry = np.array(similar).ravel()  # of each of the 2^18 colours of six bits
        self._entry[cells[kept]] = np.arange(len(kept))

    def entries(self, frame: Image) -> Image:
        """Which entry stands for each pixel, (height, width)."""
        return self._entry.take(_cells(frame))

    def image(self, entries: Image) -> Pillow.Image:
        """An image of these entries."""
        image = Pillow.frombytes("P", entries.shape[::-1], entries.tobytes())
        image.putpalette(self._image.getpalette() or ())
        return image


def _cells(colors: Image) -> NDArray[np.int64]:
    """The upper six bits of colours (..., 3), as one number."""
    red, green, blue = np.moveaxis(colors >> 2, -1, 0).astype(np.int64)
    return (red << 12) | (green << 6) | blue


def _gif(frames: Iterator[Image], palette: Palette, fps: int) -> bytes:
    differences = _differences(frames, palette)
    file = io.BytesIO()
    next(differences).save(
        file,
        format="GIF",
        save_all=True,
        append_images=differences,
        duration=round(100 / fps) * 10,
        loop=0,
        optimize=False,
        transparency=_UNCHANGED,
        disposal=1,  # a frame stays below the next
    )
    return file.getvalue()


def _differences(frames: Iterator[Image], palette: Palette) -> Iterator[Pillow.Image]:
    """Frames in the palette, transparent where they are like the frame before."""
    now = palette.entries(next(frames))
    yield palette.image(now)
    for frame in frames:
        before, now = now, palette.entries(frame)
        yield palette.image(np.where(now == before, np.uint8(_UNCHANGED), now))


def find_ffmpeg() -> str:
    """Path of an ffmpeg: the system's, or that of the package imageio-ffmpeg.

    Raises:
        RuntimeError: if there is none; says what to install.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            from imageio_ffmpeg import get_ffmpeg_exe
        except ImportError:
            raise RuntimeError(
                "out: an .mp4 needs ffmpeg: install it, or `pip install 'driftwise[video]'`, "
                "or write a .gif"
            ) from None
        found = get_ffmpeg_exe()
    return found


def _mp4(frames: Iterator[Image], fps: int) -> bytes:
    first = next(frames)
    height, width = first.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        film, complaints = Path(folder, "film.mp4"), Path(folder, "complaints")
        command = [find_ffmpeg(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
        command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(film)]
        with open(complaints, "wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr)
            assert process.stdin is not None
            # A pipe breaks when ffmpeg gives up; its own words say why.
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                for frame in itertools.chain([first], frames):
                    pipe.write(frame.tobytes())
            status = process.wait()
        if status != 0:
            why = complaints.read_text("utf-8", "replace").strip().splitlines()
            raise RuntimeError(f"ffmpeg failed: {why[-1] if why else f'status {status}'}")
        return film.read_bytes()
