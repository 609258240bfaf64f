"""metrics.jsonl: one strict JSON object a line, cut back to a checkpoint on resume."""

import json
import numbers
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .plain import NON_FINITE, plain_float

TIME_PREFIX = "time/"


def plain_metrics(metrics: Mapping[str, Any]) -> dict[str, int | float]:
    """Check metrics and turn NumPy and 0-d torch numbers into Python ones, exactly.

    Raises:
        TypeError: If a name is not a string or a value not one number; names the metric.
        ValueError: If a metric is named "step", which every line already has.
    """
    plain: dict[str, int | float] = {}
    for name, value in metrics.items():
        if not isinstance(name, str):
            raise TypeError(f"metrics: names must be strings, got {name!r}")
        if name == "step":
            raise ValueError("metrics: the name 'step' is taken by the step itself")
        if not isinstance(value, numbers.Real) and getattr(value, "shape", None) == ():
            value = value.item()  # 0-d array or tensor; float32 widens exactly
        if isinstance(value, numbers.Integral):
            plain[name] = int(value)
        elif isinstance(value, numbers.Real):
            plain[name] = float(value)
        else:
            raise TypeError(f"metric {name!r} must be one number, got {type(value).__name__}")
    return plain


class MetricsFile:
    """Append-only writer of metrics.jsonl.

    Every line reaches the operating system in one unbuffered write, so a killed process loses
    nothing it has logged; `sync` makes the lines durable and returns the offset to cut back to.

    Args:
        path: The file.
        size: Cut the file to this many bytes first; what follows was logged after the checkpoint.

    Raises:
        ValueError: If the file is shorter than ``size``: lines have been removed.
        OSError: If it cannot be written; names the file.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        found = path.stat().st_size if path.exists() else 0
        if found < size:
            raise ValueError(
                f"{path} has {found} bytes but the checkpoint was made at {size}: lines are missing"
            )
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        self._size = size
        if found > size:
            self._file.truncate(size)
            os.fsync(self._file.fileno())
        self.last_step = self._read_last_step()

    def _read_last_step(self) -> int | None:
        """Return the step of the last line (lines are short: the last 64 KiB hold one)."""
        with open(self._path, "rb") as file:
            file.seek(max(0, self._size - 65536))
            lines = file.read().splitlines()
        return int(json.loads(lines[-1])["step"]) if lines else None

    def append(self, step: int, metrics: Mapping[str, int | float]) -> None:
        """Write one line; floats by repr, which reads back exactly.

        Raises:
            ValueError: If ``step`` is below the last one.
            OSError: If the disk is full; the file is then as it was before.
        """
        if self.last_step is not None and step < self.last_step:
            raise ValueError(f"step must not go back: got {step} after {self.last_step}")
        values = {k: plain_float(v) if isinstance(v, float) else v for k, v in metrics.items()}
        line = (json.dumps({"step": step, **values}, allow_nan=False) + "\n").encode()
        try:
            written = self._file.write(line)
        except OSError as error:
            raise OSError(f"cannot write {self._path}: {error.strerror}") from error
        if written != len(line):
            self._file.truncate(self._size)
            raise OSError(f"cannot write {self._path}: no space left for a line")
        self._size += len(line)
        self.last_step = step

    def sync(self) -> int:
        """Flush to the disk and return the size in bytes."""
        os.fsync(self._file.fileno())
        return self._size

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(
    path: str | os.PathLike[str], *, drop_time: bool = False
) -> list[dict[str, int | float]]:
    """Read metrics.jsonl, of a running or a killed process too (a torn last line is left out).

    Args:
        path: The file, or the run folder that holds it.
        drop_time: Leave out the wall-time fields (``time/...``), the only ones in which a
            resumed run may differ from an uninterrupted one.

    Returns:
        One dict a line, non-finite values as floats.

    Raises:
        ValueError: If a line that is not the last is damaged; names file and line.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1]  # whole lines end with a newline
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            items = row.items()
        except (ValueError, AttributeError):
            raise ValueError(f"{path}, line {number}: not a JSON object") from None
        rows.append(
            {
                name: NON_FINITE[value] if isinstance(value, str) else value
                for name, value in items
                if not (drop_time and name.startswith(TIME_PREFIX))
            }
        )
    return rows
