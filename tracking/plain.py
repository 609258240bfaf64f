"""Plain data: what strict JSON can hold, and how everything else is turned into it."""

import dataclasses
import enum
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def plain_float(value: float) -> float | str:
    """Return a finite float as it is, and a non-finite one by its JavaScript name.

    Strict JSON has no literal for them; ``float("NaN")`` and ``float("-Infinity")`` read the
    names back.
    """
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def to_plain(value: Any, where: str = "value") -> Any:
    """Turn nested Python data into what strict JSON can hold.

    Dataclasses and NamedTuples become dicts, tuples become lists, enum members their values,
    paths strings, NumPy and torch arrays (nested lists of) numbers, non-finite floats the
    strings "NaN", "Infinity", "-Infinity".

    Args:
        value: The data.
        where: What to call it in an error.

    Raises:
        TypeError: If something in it has no plain form; names the place.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return to_plain(value.value, where)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return plain_float(float(value))
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str | int):
                raise TypeError(f"{where}: keys must be strings or integers, got {key!r}")
        return {str(key): to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if hasattr(value, "tolist") and not isinstance(value, type):  # NumPy and torch, any shape
        return to_plain(value.tolist(), where)
    raise TypeError(
        f"{where} must be plain data (numbers, strings, None, lists, dicts, dataclasses), "
        f"got {type(value).__name__}"
    )
