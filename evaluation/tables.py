"""Tables of results in Markdown, and the markers in a text that hold their place."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .results import load_result

_MARKER = re.compile(
    r"^(<!-- result:([\w.-]+)([^\n]*?)-->\n)(.*?)^(<!-- /result -->)$", re.DOTALL | re.MULTILINE
)
_ANY_MARKER = re.compile(r"^<!-- /?result\b", re.MULTILINE)


def format_table(
    result: Mapping[str, Any],
    metrics: str | Sequence[str],
    *,
    settings: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    digits: int = 3,
) -> str:
    """Return a Markdown table: a line a row, a column for every setting and metric.

    Args:
        result: As `load_result` returns it.
        metrics: Which metrics, one or several.
        settings: Which settings, in this order; None is all.
        rows: Which rows, in this order; None is all.
        digits: Significant digits of the largest value of a column; the others get as many
            decimals.

    Raises:
        ValueError: If the result has none of some name asked for.
    """
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    entries = {(e["row"], e["setting"], e["metric"]): e for e in result["table"]}
    known = [list(dict.fromkeys(names)) for names in zip(*entries, strict=True)] or [[], [], []]
    chosen_rows = _choose("rows", rows, known[0], result)
    chosen_settings = _choose("settings", settings, known[1], result)
    chosen_metrics = _choose("metric", metrics, known[2], result)
    columns = [
        (setting, metric)
        for setting in chosen_settings
        for metric in chosen_metrics
        if any((row, setting, metric) in entries for row in chosen_rows)
    ]

    texts = []  # one list a column: its title, then one text a row
    for setting, metric in columns:
        found = [entries.get((row, setting, metric)) for row in chosen_rows]
        values = [abs(entry["value"]) for entry in found if entry is not None]
        decimals = _decimals(values, digits)
        title = metric if len(chosen_settings) == 1 else setting
        if len(chosen_settings) > 1 and len(chosen_metrics) > 1:
            title = f"{setting}, {metric}"
        texts.append([_plain_name(title), *(_format_entry(entry, decimals) for entry in found)])
    used = []
    for row in chosen_rows:
        found = [entries.get((row, setting, metric)) for setting, metric in columns]
        used.append([entry["n"] for entry in found if entry is not None])
    names = ["", *map(_plain_name, chosen_rows)]
    table = [names, *texts, ["seeds", *map(_format_counts, used)]]
    keep = [0, *(i for i, counts in enumerate(used, start=1) if counts)]
    lines = ["| " + " | ".join(column[i] for column in table) + " |" for i in keep]
    lines.insert(1, "| --- |" + " ---: |" * (len(table) - 1))
    return "\n".join(lines)


def render_tables(text: str, folder: str | os.PathLike[str] = "results") -> str:
    """Return Markdown with every result table between markers made anew from its file.

    A marker is ``<!-- result:NAME metric=A,B settings=C,D rows=E,F digits=3 -->`` on a line of its
    own, all but ``metric`` optional, and ends at a line ``<!-- /result -->``; indented ones are
    left alone. Rendering a rendered text changes nothing.

    Args:
        text: The Markdown.
        folder: Where the results lie.

    Raises:
        FileNotFoundError: If a result does not exist.
        ValueError: If a marker is not closed or not understood, or names what there is not.
    """

    def render(match: re.Match[str]) -> str:
        opening, name, options, _, closing = match.groups()
        result = load_result(Path(folder) / f"{name}.json")
        return f"{opening}\n{format_table(result, **_options(name, options))}\n\n{closing}"

    if len(_ANY_MARKER.findall(text)) != 2 * len(_MARKER.findall(text)):
        raise ValueError(
            "text must have '<!-- result:NAME metric=... -->' and '<!-- /result -->' in pairs, "
            "each on a line of its own"
        )
    return _MARKER.sub(render, text)


def _options(name: str, text: str) -> dict[str, Any]:
    """Parse the options of a marker into arguments of `format_table`."""
    options: dict[str, Any] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if not equals or key not in ("metric", "settings", "rows", "digits"):
            expected = "metric=, settings=, rows=, digits="
            raise ValueError(f"marker of {name}: options must be {expected}, got {word!r}")
        if key == "digits":
            options[key] = int(value)
        else:
            options["metrics" if key == "metric" else key] = value.split(",")
    if "metrics" not in options:
        raise ValueError(f"marker of {name}: metric=... is missing")
    return options


def _choose(
    field: str, wanted: Sequence[str] | None, known: list[str], result: Mapping[str, Any]
) -> list[str]:
    for name in wanted or []:
        if name not in known:
            raise ValueError(f"{field}: {name!r} is not in {result['name']}, which has {known}")
    return known if wanted is None else list(wanted)


def _decimals(values: Sequence[float], digits: int) -> int:
    """Return how many decimals give the largest of the values so many significant digits."""
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return digits - 1
    return max(0, digits - 1 - math.floor(math.log10(largest)))


def _format_entry(entry: Mapping[str, Any] | None, decimals: int) -> str:
    if entry is None:
        return "–"
    value, low, high = (f"{entry[key]:,.{decimals}f}" for key in ("value", "low", "high"))
    return value if entry["n"] == 1 else f"{value} [{low}, {high}]"


def _format_counts(counts: Sequence[int]) -> str:
    if not counts:
        return ""
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"


def _plain_name(name: str) -> str:
    return name.replace("_", " ")
