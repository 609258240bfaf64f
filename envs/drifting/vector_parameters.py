"""Parameters of vector environments, drifting."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from typing_extensions import Unpack, override

from ..arguments import check_flag
from .attributes import Attributes
from .effect import Values
from .parameters import (
    Bounds,
    check_not_drifting,
    named_start,
    parameter_names,
    parse_ranges,
)
from .settings import DriftArguments
from .vector_wrapper import Bools, DriftingVectorWrapper, check_vector, drifting_vector_wrappers

# Steps of the trial that tells whether an environment takes a parameter per row: those that rows
# are compared in, and those in which some of them may end and start again.
_COMPARED_STEPS, _TRIAL_STEPS = 20, 300


class DriftingParametersVector(DriftingVectorWrapper):
    """As :class:`~.DriftingParameters`, for vector environments.

    The sub-environments of a ``SyncVectorEnv`` are set one by one, in a third of the time that as
    many single wrappers take.

    Environments that compute all rows at once, Gymnasium's ``CartPoleVectorEnv`` for one, keep a
    single number for all rows. Rows that drift on their own are possible where an array (num_envs,)
    in its place does the same per row. The wrapper tries that out, on copies, before the first
    step, and refuses environments that fail. (Their ``render`` may still want plain numbers.) With
    ``together=True`` all rows share one world, which any such environment can do; its steps are the
    vector environment's.

    ``AsyncVectorEnv`` is refused: there, wrap each sub-environment, with
    ``gymnasium.make_vec(..., vectorization_mode="async", wrappers=[...])``.

    Args:
        env: The vector environment, in next-step mode or without autoreset: in same-step mode,
            episodes would begin with the parameters of the last.
        ranges: As there.
        together: Whether all rows share one world (then not with ``per_episode``).
        arguments: As there; there is no ``update``.

    Raises:
        TypeError, ValueError: The environment cannot be driven, or an argument is wrong.
    """

    default_name: ClassVar[str] = "parameters"

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        ranges: Bounds | None = None,
        *,
        together: bool = False,
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_vector(env, "DriftingParameters")
        base = env.unwrapped
        if isinstance(base, AsyncVectorEnv):
            raise ValueError(
                f"env must run in this process, got {env}: wrap its sub-environments, with "
                "gymnasium.make_vec(..., vectorization_mode='async', wrappers=[...])"
            )
        if AutoresetMode(env.metadata["autoreset_mode"]) is AutoresetMode.SAME_STEP:
            raise ValueError(f"env must not reset in the same step, got {env.metadata}")
        if check_flag("together", together):
            for name in ("per_episode", "between_episodes"):
                if arguments.get(name):
                    raise ValueError(f"together=True cannot go with {name}=True")
        names = parameter_names(ranges, arguments.get("values"))
        for inner in drifting_vector_wrappers(env):
            taken = inner.attributes.names if isinstance(inner, DriftingParametersVector) else ()
            for name in names:
                if name in taken:
                    raise ValueError(f"{name!r} drifts already, by a wrapper inside")
        # What has the attributes: the sub-environments, or the one that computes all rows.
        self._one_by_one = isinstance(base, SyncVectorEnv)
        self._parts = _sub_environments(base, names) if self._one_by_one else [base]
        each = [Attributes(part, names) for part in self._parts]
        if any(one.own != each[0].own for one in each):
            raise ValueError(f"sub-environments of {env} must have the same {', '.join(names)}")
        self.attributes: Attributes = each[0]
        self._each = each
        effect, arguments = parse_ranges(self.attributes, ranges, arguments)
        super().__init__(env, effect, len(names), arguments, 1 if together else None)
        self._current = np.full((env.num_envs, len(names)), np.nan)  # what has been set
        if not (together or self._one_by_one):
            _try_rows(base, self.attributes, *effect.bounds(len(names)))

    @override
    def close(self, **kwargs: Any) -> None:
        """Puts the parameters back and closes the environment."""
        for part, attributes in zip(self._parts, self._each, strict=True):
            attributes.restore(part)
        super().close(**kwargs)

    @override
    def _enter(self, values: Values, anew: Bools) -> None:
        stale = np.flatnonzero(anew | (values != self._current).any(axis=1)).tolist()
        if not stale:
            return
        self._current = values.copy()
        if self._one_by_one:
            for row in stale:
                self._each[row].set(self._parts[row], values[row].tolist())
        else:
            # One number for all rows where they change together.
            rows = values[0].tolist() if self._together else values.T.copy()
            self.attributes.set(self.unwrapped, list(rows))

    @override
    def _own_options(self, options: dict[str, Any]) -> dict[str, Any]:
        return named_start(self.attributes, options, self.settings.options_name)

    @override
    def _named(self, values: Values) -> Any:
        return dict(
            zip(self.attributes.names, self.attributes.cast(list(values.T.copy())), strict=True)
        )


def _sub_environments(envs: Any, names: list[str]) -> list[gym.Env[Any, Any]]:
    for env in envs.envs:
        check_not_drifting(env, names)
    return [env.unwrapped for env in envs.envs]


def _try_rows(env: Any, attributes: Attributes, low: Values, high: Values) -> None:
    """Raises ValueError unless an array of parameters does per row what a number does for all.

    Three copies run with the same seed and actions: with all parameters low, with all high, and
    with both in turn, row by row. The last one runs on until some rows, and not all, have started
    new episodes, as that may take other shapes than a start of all.
    """
    odd = np.arange(env.num_envs) % 2 == 1
    mixed = [np.where(odd, b, a) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    try:
        trials, outputs = [], []
        for values in (low.tolist(), high.tolist(), mixed):
            trial = copy.deepcopy(env)
            attributes.set(trial, values)
            outputs.append(trial.reset(seed=0)[:1])
            attributes.set(trial, values)  # again, as the wrapper does
            trials.append(trial)
        actions = copy.deepcopy(env.action_space)
        actions.seed(0)
        for _ in range(_COMPARED_STEPS):
            for first, second, both in zip(*outputs, strict=True):
                wanted = np.where(odd.reshape(-1, *[1] * (np.ndim(first) - 1)), second, first)
                if not np.array_equal(wanted, both):
                    raise ValueError("rows do not do what they do alone")
            # Rows may draw from one random stream, and episodes that end from there on differ.
            if any(np.any(output[2]) or np.any(output[3]) for output in outputs if output[1:]):
                break
            action = actions.sample()
            outputs = [trial.step(action)[:4] for trial in trials]
        _try_starts(trials[2], actions)
    except Exception as error:  # an environment of any kind may fail in any way
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(
            f"env must take {', '.join(attributes.names)} per row, which {env} does not "
            f"({problem}): use together=True"
        ) from None


def _try_starts(env: Any, actions: Any) -> None:
    """Plays until some rows, and not all, have started new episodes, if that comes soon."""
    resets_itself = AutoresetMode(env.metadata["autoreset_mode"]) is AutoresetMode.NEXT_STEP
    over = np.zeros(env.num_envs, dtype=bool)
    for _ in range(_TRIAL_STEPS):
        if over.any() and not resets_itself:
            env.reset(options={"reset_mask": over})
        some = over.any() and not over.all()
        _, _, terminations, truncations, _ = env.step(actions.sample())
        if some:
            return
        over = np.logical_or(terminations, truncations)
