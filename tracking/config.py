"""Whether a run that is continued asks for the same as the run that was begun."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def check_same_config(path: Path, config: dict[str, Any], ignore: Sequence[str]) -> None:
    """Compare the config of a run with the one it was begun with.

    Args:
        path: The run's config.json.
        config: What is asked for now, in plain data.
        ignore: Dotted names of fields that may differ; a name covers what lies below it.

    Raises:
        ValueError: If another field differs, or the file is damaged; names the first such field.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is damaged: expected the JSON of a run's config") from None
    for field, old, new in _differences(stored, config, ""):
        if field in ignore or any(field.startswith(f"{name}.") for name in ignore):
            continue
        raise ValueError(
            f"config field {field!r} is {new} but the run in {path.parent} has {old}: "
            "use the same config, or another name or seed"
        )


def _differences(old: Any, new: Any, field: str) -> list[tuple[str, str, str]]:
    """Return (dotted field, old, new) for every leaf in which two plain trees differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in [*old, *(key for key in new if key not in old)]:
            dotted = f"{field}.{key}" if field else key
            if key not in new:
                found.append((dotted, json.dumps(old[key]), "missing"))
            elif key not in old:
                found.append((dotted, "no such field", json.dumps(new[key])))
            else:
                found += _differences(old[key], new[key], dotted)
        return found
    same = type(old) is type(new) and old == new
    return [] if same else [(field, json.dumps(old), json.dumps(new))]
