"""Results of record: the table of a result from its cells, its file, and its tables in Markdown.

``results/<name>.json`` holds ``{name, command, date, machine, versions, protocol, statistic,
seeds, table: [{row, setting, metric, value, low, high, n}]}``: ``low`` and ``high`` are the 95 %
interval, ``n`` the number of seeds. The README and the docs show such tables between markers::

    <!-- result:standard_bandit metric=dynamic_regret -->
    <!-- /result -->

and `render_tables` fills in what is between them.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .statistics import Statistic, bootstrap_interval

_KEYS = ("name", "command", "date", "machine", "versions", "protocol", "seeds", "table")
_ENTRY_KEYS = ("row", "setting", "metric", "value", "low", "high", "n")


def build_result(
    cells: Iterable[Mapping[str, Any]],
    *,
    name: str,
    command: str,
    protocol: Any,
    statistic: Statistic = "mean",
) -> dict[str, Any]:
    """Make a result's table from the cells there are.

    Args:
        cells: Dicts with ``row, setting, seed, metrics, date, machine, versions``, as
            `driftwise.tracking.load_cells` returns them; the table keeps their order.
        name: The result's name.
        command: The command that makes it.
        protocol: How the numbers are defined.
        statistic: Of the seeds, with `statistics.bootstrap_interval`.

    Raises:
        ValueError: If there are no cells, or one comes twice.
    """
    cells = list(cells)
    if not cells:
        raise ValueError(f"cells of {name} must be at least one, got none")
    scores: dict[tuple[str, str, str], dict[int, float]] = {}
    for cell in cells:
        for metric, value in cell["metrics"].items():
            by_seed = scores.setdefault((cell["row"], cell["setting"], metric), {})
            if cell["seed"] in by_seed:
                place = (cell["row"], cell["setting"], cell["seed"])
                raise ValueError(f"cells of {name} must be distinct, got {place} twice")
            by_seed[cell["seed"]] = float(value)
    table = [
        {
            "row": row,
            "setting": setting,
            "metric": metric,
            **bootstrap_interval(list(by_seed.values()), statistic)._asdict(),
        }
        for (row, setting, metric), by_seed in scores.items()
    ]
    return {
        "name": name,
        "command": command,
        "date": max(cell["date"] for cell in cells),
        "machine": _merged([cell["machine"] for cell in cells]),
        "versions": _merged([cell["versions"] for cell in cells]),
        "protocol": protocol,
        "statistic": f"{statistic} over seeds, 95 % expanded percentile bootstrap",
        "seeds": sorted({cell["seed"] for cell in cells}),
        "table": table,
    }


def write_result(result: Mapping[str, Any], folder: str | os.PathLike[str] = "results") -> Path:
    """Write a result to ``folder/<name>.json`` and return the path; the table has a line an entry.

    Raises:
        ValueError: If a key is missing; names it.
    """
    _check(result, "result")
    path = Path(folder) / f"{result['name']}.json"
    lines = []
    for key, value in result.items():
        if key == "table":
            entries = ",\n".join(f"    {json.dumps(_finite(entry))}" for entry in value)
            text = f"[\n{entries}\n  ]"
        else:
            text = json.dumps(value, allow_nan=False)
        lines.append(f"  {json.dumps(key)}: {text}")
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    os.replace(temporary, path)  # never a half-written file of record
    return path


def load_result(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a result.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not one; names the file.
    """
    path = Path(path)
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be the JSON of a result: {error}") from None
    _check(result, str(path))
    for entry in result["table"]:
        for key in ("value", "low", "high"):
            entry[key] = float(entry[key])
    return dict(result)


def _check(result: Any, where: str) -> None:
    if not isinstance(result, Mapping):
        raise ValueError(f"{where} must be an object with {', '.join(_KEYS)}")
    missing = [key for key in _KEYS if key not in result]
    for entry in result.get("table", []):
        missing += [f"table: {key}" for key in _ENTRY_KEYS if key not in entry]
    if missing:
        raise ValueError(f"{where} must have {missing[0]!r}")


def _merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Join dicts that say where cells were computed; what differs is listed, comma-separated."""
    merged = {}
    for key in _distinct(key for part in parts for key in part):
        values = _distinct(part[key] for part in parts if key in part)
        merged[key] = values[0] if len(values) == 1 else ", ".join(map(str, values))
    return merged


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _finite(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Write non-finite numbers by name, which `float` reads back; strict JSON has no literal."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in entry.items()
    }
