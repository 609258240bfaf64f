"""Records of GPU runs: JSON as that of all other results, filled by one run after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftwise.evaluation import load_result, write_result
from driftwise.tracking import machine, versions

PACKAGES = ("driftwise", "numpy", "torch", "triton", "flash-linear-attention", "fla-core")


def make_record(
    name: str, command: str, protocol: dict[str, str], table: list[dict[str, Any]], seed: int = 0
) -> dict[str, Any]:
    """A record of a table of rows with ``row, setting, metric, value, low, high, n``.

    Args:
        name: Of the record.
        command: That makes it.
        protocol: How each part of the table came about.
        table: The rows.
        seed: Of weights and batches.
    """
    return {
        "name": name,
        "command": command,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(PACKAGES),
        "protocol": protocol,
        "seeds": [seed],
        "table": table,
    }


def merge_record(record: Mapping[str, Any], folder: Path) -> Path:
    """Write a record into a folder; entries of an earlier one stay where the new one has none.

    So blocks that run on different days fill one table.
    """
    path = folder / f"{record['name']}.json"
    merged = dict(record)
    if path.exists():
        earlier = load_result(path)

        def place(row: Mapping[str, Any]) -> tuple[str, str, str]:
            return row["row"], row["setting"], row["metric"]

        new = {place(row) for row in record["table"]}
        merged["table"] = [e for e in earlier["table"] if place(e) not in new] + record["table"]
        commands = [*earlier["command"].split("; "), record["command"]]
        merged["command"] = "; ".join(dict.fromkeys(commands))
        merged["protocol"] = earlier["protocol"] | record["protocol"]
        merged["seeds"] = sorted({*earlier["seeds"], *record["seeds"]})
    folder.mkdir(parents=True, exist_ok=True)
    return write_result(merged, folder)


def entry(
    row: str,
    setting: str,
    metric: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    n: int = 1,
) -> dict[str, Any]:
    """A row of a table; without an interval, or a number behind it, of one measurement."""
    return {
        "row": row,
        "setting": setting,
        "metric": metric,
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "n": n,
    }
