"""Results of record, made of cells.

A cell is one (row, setting, seed) of a named result, as ("gru", "default", 3) of
"standard_bandit". Each is computed by a process of its own and written at once to
``results/cells/<name>/<row>--<setting>--<seed>.json``, so that a long result fills up over days
and a killed run loses the cells in progress, no others. A cell remembers the config it was
computed with: when that changes, the cell is stale, counts as missing and is computed again.
"""

import dataclasses
import hashlib
import importlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .atomic import make_writable_folder, write_text
from .environment import PACKAGES, machine, versions
from .metrics import plain_metrics
from .plain import NON_FINITE, to_plain

_NAME = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.]+)*")  # "--" separates the parts of a file name
T = TypeVar("T", str, int)


SKIPPED = 3  # exit status of a process that has skipped its cell


class SkipCell(Exception):
    """Raised by a result's ``run`` where a cell cannot be computed here; says what is missing."""


class Cell(NamedTuple):
    """The name of a cell within its result."""

    row: str
    setting: str
    seed: int

    def __str__(self) -> str:
        return f"{self.row}--{self.setting}--{self.seed}"


@dataclasses.dataclass(frozen=True)
class Result:
    """The definition of a result: which cells it has and how one is computed.

    Attributes:
        name: Name of the result and of its folder of cells.
        command: The command line that makes it, for the record.
        protocol: How the numbers are defined, for the record.
        rows: What is compared.
        settings: On what; the headline one is "default".
        seeds: Which seeds make it complete.
        run: Called as ``run(row, setting, seed)`` in a process with one thread. Returns the
            metrics, one number per name; what is not a number (curves, texts) is kept as extra.
            Raises `SkipCell` where something that the cell needs is not installed.
        config: Called as ``config(row, setting)``; returns everything that decides the numbers of
            these cells, in plain data (a version number for code among it), or None where the
            row has no such setting.
        packages: Packages that the cells name the version of, beside the usual ones.

    Raises:
        ValueError: If a name cannot be part of a file name, or one comes twice.
    """

    name: str
    command: str
    protocol: str
    rows: Sequence[str]
    settings: Sequence[str]
    seeds: Sequence[int]
    run: Callable[[str, str, int], Mapping[str, Any]]
    config: Callable[[str, str], Mapping[str, Any] | None]
    packages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field, names in (
            ("name", [self.name]),
            ("rows", self.rows),
            ("settings", self.settings),
        ):
            for name in names:
                if not _NAME.fullmatch(name):
                    raise ValueError(
                        f"{field} must be letters, digits, '_', '.' and single '-', got {name!r}"
                    )
        for field in ("rows", "settings", "seeds"):
            values = list(getattr(self, field))
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{field} must be distinct and at least one, got {values}")

    def cells(
        self,
        rows: Iterable[str] | None = None,
        settings: Iterable[str] | None = None,
        seeds: Iterable[int] | None = None,
    ) -> list[Cell]:
        """Return the cells, or those of some rows, settings or seeds, in the order to compute.

        All of the first seed come first, so that a partly filled result is balanced.

        Raises:
            ValueError: If a filter names something that the result does not have.
        """
        chosen_rows = self._choose("rows", self.rows, rows)
        chosen_settings = self._choose("settings", self.settings, settings)
        return [
            Cell(row, setting, seed)
            for seed in self._choose("seeds", self.seeds, seeds)
            for setting in chosen_settings
            for row in chosen_rows
            if self.config(row, setting) is not None
        ]

    def _choose(self, field: str, known: Sequence[T], wanted: Iterable[T] | None) -> list[T]:
        """Return the wanted ones among the known, in the order of the known."""
        chosen = set(known if wanted is None else wanted)
        for value in chosen.difference(known):
            raise ValueError(
                f"{field}: {value!r} is not part of {self.name}, which has {list(known)}"
            )
        return [value for value in known if value in chosen]

    def config_hash(self, row: str, setting: str) -> str:
        """Return a short hash of what decides the numbers of these cells."""
        config = to_plain(self.config(row, setting), f"config({row!r}, {setting!r})")
        text = json.dumps([self.name, row, setting, config], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def import_result(target: str) -> Result:
    """Import a result's definition by its place, "module:NAME".

    Raises:
        ValueError: If ``target`` does not name a `Result`.
    """
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        message = f"target {target!r} must be 'module:NAME' of a Result: {error}"
        raise ValueError(message) from None
    if not isinstance(found, Result):
        raise ValueError(f"target {target!r} must be a Result, got {type(found).__name__}")
    return found


def cell_path(result: Result, cell: Cell, results: str | Path = "results") -> Path:
    """Return the file of a cell under the folder of results."""
    return Path(results) / "cells" / result.name / f"{cell}.json"


def load_cell(result: Result, cell: Cell, results: str | Path = "results") -> dict[str, Any] | None:
    """Return a stored cell, or None if it is missing or stale.

    Raises:
        ValueError: If the file is damaged; names it.
    """
    path = cell_path(result, cell, results)
    config_hash = result.config_hash(cell.row, cell.setting)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = stored["config_hash"]
        metrics = stored["metrics"].items()
        stored["metrics"] = {k: NON_FINITE[v] if isinstance(v, str) else v for k, v in metrics}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged: delete it to compute the cell again") from None
    return dict(stored) if found == config_hash else None


def load_cells(result: Result, results: str | Path = "results") -> list[dict[str, Any]]:
    """Return all stored cells of a result that are not stale, row by row as the result has them."""
    cells = sorted(result.cells(), key=lambda cell: result.rows.index(cell.row))
    found = (load_cell(result, cell, results) for cell in cells)
    return [cell for cell in found if cell is not None]


def compute_cell(result: Result, cell: Cell, results: str | Path = "results") -> dict[str, Any]:
    """Compute a cell in this process and write its file.

    Returns:
        What is stored: ``result, row, setting, seed, metrics, extra, config, config_hash, wall_s,
        date, machine, versions``.

    Raises:
        SkipCell: If something that the cell needs is not installed.
        TypeError: If the result's function returns anything but a dict of numbers and plain data.
        OSError: If the folder is not writable; found out before the work.
    """
    path = cell_path(result, cell, results)
    make_writable_folder(path.parent)
    config = result.config(cell.row, cell.setting)
    config_hash = result.config_hash(cell.row, cell.setting)
    start = time.perf_counter()
    values = result.run(cell.row, cell.setting, cell.seed)
    wall_s = time.perf_counter() - start
    if not isinstance(values, Mapping):
        raise TypeError(f"run of {result.name} must return a dict, got {type(values).__name__}")

    numbers, extra = {}, {}
    for name, value in values.items():
        try:
            numbers.update(plain_metrics({name: value}))
        except TypeError:
            extra[name] = value
    stored = {
        "result": result.name,
        **cell._asdict(),
        "metrics": numbers,
        "extra": extra,
        "config": config,
        "config_hash": config_hash,
        "wall_s": round(wall_s, 3),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions((*PACKAGES, *result.packages)),
    }
    plain = to_plain(stored, f"cell {cell}")
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in plain.items())
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")
    return stored
