"""``check_vector_env``: what a Gymnasium ``VectorEnv`` promises, checked by running it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

Output = tuple[Any, ...]  # (obs, infos) of a reset, or (obs, rewards, terms, truncs, infos)
Scalar = (bool, int, float, str, np.generic)

CONTRACT = ("context", "changed", "steps_since_change")


def check_vector_env(
    env: VectorEnv[Any, Any, Any],
    scalar: Callable[[], gym.Env[Any, Any]] | None = None,
    *,
    info_keys: Sequence[str] = CONTRACT,
    num_steps: int = 500,
    seed: int = 123,
) -> None:
    """Checks a vector environment by running it; works for any, not only for those of this package.

    - *Spaces*: batched spaces are the single spaces times ``num_envs``; what comes back lies in
      them, with the right shapes and dtypes.
    - *Infos*: ``info_keys`` are there at every step, as arrays (num_envs,) of the right kind.
      ``regret`` and ``optimal_action`` are checked where they appear.
    - *Determinism*: the same seed and actions give the same run, bit for bit.
    - *Fresh data*: later steps leave what earlier steps returned as it was.
    - *Autoreset*: as the mode in ``metadata["autoreset_mode"]`` demands, for every episode that
      ends within ``num_steps``; with ``DISABLED``, resets through ``options["reset_mask"]``.
    - *Parity*, if ``scalar`` is given: sub-environment i of ``reset(seed=s)`` equals the scalar
      environment after ``reset(seed=s + i)``, bit for bit, in later episodes too.
    - *Saving*, if the environment has ``get_state`` and ``set_state``: the state consists of plain
      arrays, numbers, strings and booleans, survives npz and JSON, and the run goes on from it bit
      for bit.

    Args:
        env: The environment; it is reset and stepped, and not closed.
        scalar: Makes the scalar environment that each sub-environment should equal, with the same
            time limit.
        info_keys: Keys that must be in every info. Pass ``()`` for environments that do not follow
            this package's contract.
        num_steps: Steps to run. Choose it so that episodes end within it.
        seed: Seed of the runs.

    Raises:
        AssertionError: A promise is broken; the message says which.
    """
    _check_spaces(env)
    actions = _sample_actions(env, num_steps, seed)
    outputs = _run(env, actions, seed)
    for output in outputs:
        _check_output(env, output, info_keys)
    _check_autoreset(env, outputs)
    _check_changes(outputs)
    _check_same(_run(env, actions, seed), outputs, "the same seed and actions must give", "run")
    if scalar is not None:
        _check_parity(env, scalar, actions, outputs, seed)
    base = _base(env)
    if hasattr(base, "get_state") and hasattr(base, "set_state"):
        _check_saving(env, actions, seed)


def _mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    mode = env.metadata.get("autoreset_mode")
    assert isinstance(mode, AutoresetMode), (
        f"metadata['autoreset_mode'] must be an AutoresetMode, got {mode!r}"
    )
    return mode


def _check_spaces(env: VectorEnv[Any, Any, Any]) -> None:
    _mode(env)
    assert env.num_envs >= 1, f"num_envs must be at least 1, got {env.num_envs}"
    for kind in ("observation", "action"):
        single = getattr(env, f"single_{kind}_space")
        batched = getattr(env, f"{kind}_space")
        expected = batch_space(single, env.num_envs)
        assert batched == expected, f"{kind}_space must be {expected}, got {batched}"


def _sample_actions(env: VectorEnv[Any, Any, Any], num_steps: int, seed: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(num_steps)]


def _run(env: VectorEnv[Any, Any, Any], actions: list[Any], seed: int) -> list[Output]:
    """Outputs of a reset and of all steps; checks that later ones leave earlier ones alone."""
    outputs: list[Output] = [env.reset(seed=seed)]
    copies = [_copy(outputs[0])]
    for action in actions:
        outputs.append(_step(env, action, outputs[-1]))
        copies.append(_copy(outputs[-1]))
    _check_same(outputs, copies, "later steps must leave returned data as it was", "output")
    return copies


def _step(env: VectorEnv[Any, Any, Any], action: Any, before: Output) -> Output:
    """One step; without autoreset, finished sub-environments are reset first."""
    if _mode(env) is AutoresetMode.DISABLED and len(before) == 5:
        done = np.logical_or(before[2], before[3])
        if done.any():
            env.reset(options={"reset_mask": done})
    return env.step(action)


def _copy(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_copy(item) for item in value)
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype == object:
        return np.array([*map(_copy, value), None], dtype=object)[:-1]
    return value.copy("K") if isinstance(value, np.ndarray) else value


def _equal(first: Any, second: Any) -> bool:
    """Equality bit for bit, through tuples, dicts and arrays; NaN equals NaN."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[k], second[k]) for k in first)
    if isinstance(first, (tuple, list)) and isinstance(second, (tuple, list)):
        return len(first) == len(second) and all(map(_equal, first, second))
    if first is None or second is None:
        return first is second
    if isinstance(first, Scalar) and isinstance(second, Scalar):
        return bool(first == second or (first != first and second != second))
    first, second = np.asarray(first), np.asarray(second)
    if first.dtype == object or second.dtype == object:
        return first.shape == second.shape and all(map(_equal, first.flat, second.flat))
    # For small arrays this is a fifth of what array_equal takes.
    if (first.dtype, first.shape) == (second.dtype, second.shape) and (
        first.tobytes() == second.tobytes()
    ):
        return True
    return bool(np.array_equal(first, second, equal_nan=first.dtype.kind == "f"))


def _check_same(got: list[Output], expected: list[Output], promise: str, what: str) -> None:
    for index, (one, other) in enumerate(zip(got, expected, strict=True)):
        assert _equal(one, other), f"{promise} the same {what}, got a difference at step {index}"


def _check_output(env: VectorEnv[Any, Any, Any], output: Output, keys: Sequence[str]) -> None:
    observations, infos, n = output[0], output[-1], env.num_envs
    assert observations in env.observation_space, (
        f"observations must lie in {env.observation_space}, got {observations!r}"
    )
    if len(output) == 5:
        names = ("rewards", "terminations", "truncations")
        for name, values, kinds in zip(names, output[1:4], ("f", "b", "b"), strict=True):
            assert isinstance(values, np.ndarray) and values.shape == (n,), (
                f"{name} must be an array of shape ({n},), got {values!r}"
            )
            assert values.dtype.kind in kinds, f"{name} must have kind {kinds}, got {values.dtype}"
        assert np.isfinite(output[1]).all(), f"rewards must be finite, got {output[1]}"
    assert isinstance(infos, dict), f"infos must be a dict, got {type(infos).__name__}"
    wanted = {"context": "iu", "changed": "b", "steps_since_change": "iu"}
    wanted |= {"regret": "f", "optimal_action": "iu"}
    for key in keys:
        assert key in infos, f"infos must have the key {key!r}, got {sorted(infos)}"
    for key, kinds in wanted.items():
        if key not in infos or (key not in keys and key in CONTRACT):
            continue
        values = infos[key]
        assert isinstance(values, np.ndarray) and values.shape == (n,), (
            f"infos[{key!r}] must be an array of shape ({n},), got {values!r}"
        )
        assert values.dtype.kind in kinds, (
            f"infos[{key!r}] must have a dtype of kind {kinds!r}, got {values.dtype}"
        )
    if "regret" in infos:
        assert (infos["regret"] >= 0).all(), f"infos['regret'] must not be negative: {infos}"
    if "optimal_action" in infos:
        best = infos["optimal_action"]
        assert all(action in env.single_action_space for action in best), (
            f"infos['optimal_action'] must be actions, got {best}"
        )


def _check_changes(outputs: list[Output]) -> None:
    """``changed`` and ``steps_since_change`` must tell the same story."""
    for index, output in enumerate(outputs):
        infos = output[-1]
        if "changed" not in infos or "steps_since_change" not in infos:
            return
        since, changed = infos["steps_since_change"], infos["changed"]
        assert (since[changed] == 0).all(), (
            f"steps_since_change must be 0 where changed, got {since} at step {index}"
        )
        if index == 0:
            assert not changed.any() and (since == 0).all(), "no world changes at a reset"
        elif index > 1:
            before = outputs[index - 1][-1]["steps_since_change"]
            # Worlds may go on over episodes. Around an end, the info of a reset then describes a
            # step ahead of its time, and the step itself repeats it.
            end = _done(output) | _done(outputs[index - 1]) | _done(outputs[index - 2])
            near = end & (since <= before + 2)
            assert ((since == 0) | (since == before + 1) | near).all(), (
                f"steps_since_change must go up by 1 or start at 0, got {since} after {before}"
            )


def _done(output: Output) -> Any:
    return np.logical_or(output[2], output[3]) if len(output) == 5 else False


def _check_autoreset(env: VectorEnv[Any, Any, Any], outputs: list[Output]) -> None:
    mode = _mode(env)
    ended, any_ended = np.zeros(env.num_envs, dtype=bool), False
    for index, (_, rewards, terminations, truncations, infos) in enumerate(outputs[1:], start=1):
        done = np.logical_or(terminations, truncations)
        if mode is AutoresetMode.NEXT_STEP:
            assert (rewards[ended] == 0).all() and not done[ended].any(), (
                f"NEXT_STEP: the step after the end must reset, with reward 0, at step {index}"
            )
        if mode is AutoresetMode.SAME_STEP and done.any():
            for key in ("final_obs", "final_info"):
                assert key in infos and f"_{key}" in infos, (
                    f"SAME_STEP: infos must have {key!r} and '_{key}' at step {index}"
                )
                assert np.array_equal(infos[f"_{key}"], done), (
                    f"SAME_STEP: infos['_{key}'] must tell which episodes ended at step {index}"
                )
            for last in infos["final_obs"][done]:
                assert last in env.single_observation_space, (
                    f"SAME_STEP: final_obs must be observations, got {last!r}"
                )
        ended = done
        any_ended |= bool(done.any())
    if not any_ended:
        gym.logger.warn("no episode ended within num_steps: autoreset has not been checked")


def _check_parity(
    env: VectorEnv[Any, Any, Any],
    scalar: Callable[[], gym.Env[Any, Any]],
    actions: list[Any],
    outputs: list[Output],
    seed: int,
) -> None:
    """Runs the scalar environments beside what the vector environment did."""
    mode = _mode(env)
    for index in range(env.num_envs):
        alone = scalar()
        expected: Output = alone.reset(seed=seed + index)
        _check_one(outputs[0], expected, index, 0)
        over = False
        for time, (action, output) in enumerate(zip(actions, outputs[1:], strict=True), start=1):
            if over and mode is not AutoresetMode.SAME_STEP:
                observation, info = alone.reset()
                if mode is AutoresetMode.NEXT_STEP:
                    over = False
                    _check_one(output, (observation, 0.0, False, False, info), index, time)
                    continue
            expected = alone.step(action[index])
            over = bool(expected[2] or expected[3])
            if over and mode is AutoresetMode.SAME_STEP:
                infos = output[-1]
                last = infos["final_obs"][index], _pick(infos["final_info"], index)
                assert _equal(last, (expected[0], expected[-1])), (
                    f"final_obs and final_info of sub-environment {index} must equal the scalar "
                    f"environment's, got {last} at step {time}, expected {expected}"
                )
                observation, info = alone.reset()
                expected = (observation, *expected[1:4], info)
            _check_one(output, expected, index, time)
        alone.close()


def _check_one(output: Output, expected: Output, index: int, time: int) -> None:
    for key in expected[-1]:
        assert key in output[-1], (
            f"infos must have the key {key!r} of the scalar environment's info, "
            f"got {sorted(output[-1])} at step {time}"
        )
    infos = {key: output[-1][key] for key in expected[-1]}
    got = (*(_row(part, index) for part in output[:-1]), _pick(infos, index))
    assert _equal(got, expected), (
        f"sub-environment {index} must equal the scalar environment, got {got} at step {time}, "
        f"expected {expected}"
    )


def _row(value: Any, index: int) -> Any:
    """The part of one sub-environment, of an array or of a dict of arrays."""
    if isinstance(value, dict):
        return {key: _row(item, index) for key, item in value.items()}
    return value[index]


def _pick(infos: dict[str, Any], index: int) -> dict[str, Any]:
    """The info of one sub-environment, without Gymnasium's masks."""
    return {
        key: _pick(value, index) if isinstance(value, dict) else value[index]
        for key, value in infos.items()
        if not key.startswith("_")
    }


def _check_saving(env: VectorEnv[Any, Any, Any], actions: list[Any], seed: int) -> None:
    """Saves in the middle, runs on, restores, and runs on again."""
    base = _base(env)
    middle = len(actions) // 2
    output: Output = env.reset(seed=seed)
    for action in actions[:middle]:
        output = _step(env, action, output)
    state, at_save = _through_files(base.get_state()), _copy(output)
    runs = []
    for _ in range(2):
        output, run = at_save, []
        for action in actions[middle:]:
            output = _step(env, action, output)
            run.append(_copy(output))
        runs.append(run)
        base.set_state(state)
    _check_same(runs[1], runs[0], "after set_state() there must be", "run")


def _base(env: VectorEnv[Any, Any, Any]) -> Any:
    """What saves all of the state: a wrapper that adds its own part, or else what it wraps."""
    return (
        env if hasattr(env, "get_state") and hasattr(env.unwrapped, "get_state") else env.unwrapped
    )


def _through_files(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state as it comes back from an npz file (arrays) and a JSON file (the rest)."""
    assert isinstance(state, Mapping), f"get_state() must return a dict, got {type(state).__name__}"
    arrays: dict[str, NDArray[Any]] = {}
    rest: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, np.ndarray):
            assert value.dtype != object, f"state[{key!r}] must not be an array of objects"
            arrays[key] = value
        else:
            assert isinstance(value, (bool, int, float, str)) or value is None, (
                f"state[{key!r}] must be an array, a number, a string or None, got {value!r}"
            )
            rest[key] = value
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return {**loaded, **json.loads(json.dumps(rest))}
