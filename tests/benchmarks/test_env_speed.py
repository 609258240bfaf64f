"""The speed of the environments: what a cell measures, and what is missing where."""

import sys

import pytest

from driftwise.benchmarks import env_speed, env_speed_peers
from driftwise.tracking import SkipCell

ROWS = [*env_speed.WORLDS, *env_speed.SYNC, *env_speed.PRESETS]
PEERS = [*env_speed.PEERS, *env_speed.GYMNAX]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env_speed, "SECONDS", 1e-4)
    monkeypatch.setattr(env_speed, "ROUNDS", 2)
    monkeypatch.setattr(env_speed, "SIZES", {"num_envs_1": 1, "num_envs_8": 3})


def test_rows_have_the_settings_that_make_sense() -> None:
    settings: dict[str, list[str]] = {}
    for cell in env_speed.RESULT.cells(seeds=[0]):
        settings.setdefault(cell.row, []).append(cell.setting)
    sizes = ["num_envs_1", "num_envs_8", "num_envs_64", "num_envs_1024"]
    assert settings["ShiftingBandit"] == ["scalar", *sizes]
    assert settings["ShiftingBandit_SyncVectorEnv"] == sizes
    assert settings["RestlessBandit"] == ["num_envs_1024"]
    assert settings["popgym_MultiarmedBandit"] == ["scalar"]
    assert settings["gymnax_MetaMaze_python"] == ["scalar", *sizes]
    assert settings["gymnax_MetaMaze_scan"] == sizes


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("setting", ["scalar", "num_envs_1", "num_envs_8"])
def test_ours_can_be_measured(row: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env_speed, "LARGEST", "num_envs_8")
    if env_speed.config(row, setting) is None:
        return
    metrics = env_speed.run(row, setting, 0)
    assert all(value > 0 for value in metrics.values())
    assert ("times_sync" in metrics) == (row in env_speed.WORLDS and setting != "scalar")


@pytest.mark.parametrize("row", PEERS)
def test_peers_are_measured_or_skipped(row: str) -> None:
    setting = "scalar" if row in env_speed.PEERS else "num_envs_8"
    try:
        metrics = env_speed.run(row, setting, 0)
    except SkipCell as reason:
        pytest.skip(str(reason))
    assert metrics.keys() == {"steps_per_s"} and metrics["steps_per_s"] > 0


def test_a_missing_peer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "popgym.envs.multiarmed_bandit", None)
    with pytest.raises(SkipCell, match=r"popgym.*cannot be imported .*extra `peers`"):
        env_speed_peers.PEERS["popgym_MultiarmedBandit"]()


def test_ratios_are_of_the_same_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both slow down fourfold in the last round; their ratio is 3 in each."""
    ours, sync = iter([1.0, 120.0, 30.0]), iter([9.0, 40.0, 10.0])
    runs = [lambda seconds: next(ours), lambda seconds: next(sync)]
    monkeypatch.setattr(env_speed, "contestants", lambda row, setting: runs)
    metrics = env_speed.run("ShiftingBandit", "num_envs_8", 0)
    assert metrics == {"steps_per_s": 75.0, "times_sync": 3.0}


class Ends:
    """Two environments, the second of which ends at every third step and then resets."""

    num_envs = 2

    def __init__(self) -> None:
        self.steps = 0
        self.action_space = self

    def seed(self, seed: int) -> None: ...

    def sample(self) -> None: ...

    def reset(self, seed: int) -> None: ...

    def step(self, action: None):
        self.steps += 1
        over = env_speed.np.array([False, self.steps % 3 == 0])
        return None, None, over, ~over & False, {}


def test_resetting_steps_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.5, 2.0])
    monkeypatch.setattr(env_speed.time, "perf_counter", lambda: next(clock))
    assert env_speed.run_vector(Ends())(1.0) == (2 * 100 - 33) / 2.0
