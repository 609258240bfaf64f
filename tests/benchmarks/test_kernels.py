"""The speed table, with sizes of next to nothing on the CPU."""

import sys
from types import ModuleType

import pytest
import torch

from driftwise.benchmarks import kernels
from driftwise.benchmarks.gpu.contestants import Contestant, DeltaNet
from driftwise.benchmarks.gpu.record import make_record, merge_record
from driftwise.benchmarks.gpu.shrink import shrink
from driftwise.benchmarks.gpu.training_step import TrainingStep, random_words
from driftwise.benchmarks.timing import race
from driftwise.evaluation import load_result
from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.training.gpu_recipes import EXPECTED, wiki_s
from driftwise.memory import SparseFastWeights
from driftwise.memory.delta_rule import Writes, sequential

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_script_fills_a_record(tmp_path, capsys):
    path = tmp_path / "results" / "gpu_speed.json"
    kernels.main(["--tiny", "--device", "cpu", "--rounds", "1", "--output", str(path)])
    record = load_result(path)
    found = {(e["row"], e["metric"]): e["value"] for e in record["table"]}
    assert all(value > 0 for value in found.values())
    assert all((name, "share_of_ceiling") in found for name in (*EXPECTED, "attention", "fwl"))
    assert {"ceiling", "lstm", "sparse", "adaptive", "dynamic"} <= {row for row, _ in found}
    assert ("sparse_16x", "time_ratio") in found
    assert found["dynamic", "flops_ratio_predicted"] == 3
    assert "flash-linear-attention was not installed" in record["protocol"]["timing"]
    assert "share_of_ceiling" in capsys.readouterr().out


def test_what_is_run_in_turn_is_timed_apart():
    calls = []
    seconds = race({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2, warmup=1)
    assert calls == ["a", "b"] * 3
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_what_does_not_fit_is_left_out(capsys):
    def too_large():
        raise torch.OutOfMemoryError("no")

    timed = kernels.Timed(CPU, 1, 1.0)
    found = {"large": Contestant(too_large, 1), "small": Contestant(lambda: None, 1)}
    assert {row["row"] for row in timed.rows("x", found)} == {"small"}
    assert "large needs more memory" in "".join(capsys.readouterr())


def test_a_timed_step_trains():
    step = TrainingStep(shrink(wiki_s()), 50, CPU)
    model, losses = step.step.model, []
    for _ in range(8):
        step()
        with torch.no_grad():
            hidden, _ = model(step.batch.inputs)
            losses.append(model.head.loss(hidden, step.batch.targets).mean().item())
    assert losses[-1] < losses[0]


def test_words_are_in_clusters_as_expected():
    config = SoftmaxConfig(cutoffs=(10, 20, 99), capacities=(0.2, 0.1, 0.1))
    words = random_words((100, 100), config, 60)
    shares = [
        ((words >= low) & (words < high)).float().mean() for low, high in ((10, 20), (20, 60))
    ]
    assert shares == pytest.approx([0.1, 0.05], abs=0.02) and words.max() < 60


def test_the_rule_of_others_is_called_as_ours_is_defined(monkeypatch):
    """Stands in for flash-linear-attention, whose kernels need a GPU."""

    def chunk_delta_rule(q, k, v, beta, use_qk_l2norm_in_kernel):
        assert use_qk_l2norm_in_kernel and q.shape == k.shape == v.shape == (*beta.shape, 4)
        one = torch.ones(*beta.shape, 1)
        q, k = (torch.nn.functional.normalize(part, dim=-1) for part in (q, k))
        initial = torch.zeros(q.shape[2], 1, 4, 4)
        reads, _, state = sequential(
            Writes(k, one, v, beta, q, one), initial.expand(len(q), -1, -1, -1, -1), initial
        )
        return reads, state

    modules = {name: ModuleType(name) for name in ("fla", "fla.ops", "fla.ops.delta_rule")}
    modules["fla.ops.delta_rule"].chunk_delta_rule = chunk_delta_rule
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    layer, x = DeltaNet(8, 4), torch.randn(2, 5, 8)
    assert layer(x).shape == SparseFastWeights(8)(x)[0].shape
    layer(x).sum().backward()
    assert all(parameter.grad.any() for parameter in layer.parameters())


def test_records_of_several_runs_are_one_table(tmp_path):
    def row(name, value):
        numbers = {"value": value, "low": value, "high": value, "n": 1}
        return {"row": name, "setting": "default", "metric": "perplexity", **numbers}

    merge_record(make_record("x", "one", {"a": "p"}, [row("a", 1.0), row("b", 2.0)]), tmp_path)
    merge_record(make_record("x", "one", {"a": "q"}, [row("b", 3.0)], seed=1), tmp_path)
    path = merge_record(make_record("x", "two", {"c": "r"}, [row("c", 4.0)]), tmp_path)
    record = load_result(path)
    assert {e["row"]: e["value"] for e in record["table"]} == {"a": 1, "b": 3, "c": 4}
    assert (record["command"], record["protocol"]) == ("one; two", {"a": "q", "c": "r"})
    assert record["seeds"] == [0, 1]
