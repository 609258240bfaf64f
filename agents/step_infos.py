"""The infos of single environments, made of those of all of them when somebody looks."""

from __future__ import annotations

from collections import UserList
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .vector_info import info_of_rows


class StepInfos(UserList[dict[str, Any]]):
    """What stable-baselines3 calls ``infos``: one dictionary per environment.

    Most training looks at none but those of finished environments, so the others are made, all at
    once, when the first of them is asked for. From then on they are plain dictionaries that may be
    changed. No subclass of `list`: numpy and json read a list's memory past its methods, and would
    find the gaps. (`SubprocVecEnv` of stable-baselines3 returns a tuple.)

    Args:
        infos: The dictionaries, None where `arrays` has what is to be told of a row.
        arrays: Info of all environments as arrays, which must not change from now on.
    """

    def __init__(
        self, infos: Iterable[dict[str, Any] | None] = (), arrays: Mapping[str, Any] | None = None
    ) -> None:
        self._rows = infos if isinstance(infos, list) else list(infos)
        self._arrays = arrays or {}

    @property
    def data(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """All of them; `UserList` does everything else with this."""
        gaps = [i for i, info in enumerate(self._rows) if info is None]
        if gaps:
            for i, info in zip(gaps, info_of_rows(self._arrays, np.array(gaps)), strict=True):
                info["TimeLimit.truncated"] = False  # as DummyVecEnv says of every step
                self._rows[i] = info
        return self._rows  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.data)

    def __getitem__(self, i: Any) -> Any:
        known = None if isinstance(i, slice) else self._rows[i]
        return self.data[i] if known is None else known

    def __reduce__(self) -> tuple[Any, ...]:  # pickles and deep copies are plain lists
        return list, (self.data,)

    def __copy__(self) -> StepInfos:
        return self.copy()
