"""Parity with the official JAX release: its numbers, committed, and the release itself if present.

The second needs JAX, Flax and the environment variable DRIFTWISE_FWL_RELEASE, the folder of the
release's ``fwl.py`` (``fwl_release.py`` beside this file says where it is from).
"""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from driftwise.memory import BlockParameters, FastWeightLayer

spec = importlib.util.spec_from_file_location("r", Path(__file__).with_name("fwl_release.py"))
release = importlib.util.module_from_spec(spec)
spec.loader.exec_module(release)

NAMES = [*BlockParameters._fields, "softmax_weight", "softmax_bias", "x"]


def ours(case: dict[str, int], dtype: torch.dtype) -> dict[str, Any]:
    """What the release gives, by this package's layer with the release's choices."""
    made = {name: torch.from_numpy(value) for name, value in release.make(case).items()}
    made = {name: value.to(dtype) for name, value in made.items() if name != "targets"} | {
        "targets": made["targets"]
    }
    weight, bias = (made[f"softmax_{part}"].requires_grad_() for part in ("weight", "bias"))

    layer = FastWeightLayer(
        case["input_size"],
        case["size"],
        head=lambda h, targets: F.cross_entropy(h @ weight + bias, targets, reduction="none"),
        chunk_size=case["length"] // case["chunks"],
        normaliser=made["weights"].sum().item(),
        eps=1e-6,
    ).to(dtype)
    hidden, output, norm = made["step_sizes"].log()
    never = torch.tensor(float("-inf"))  # the release does not adapt the biases of dense layers
    layer.load_state_dict(
        {name: made[name] for name in BlockParameters._fields}
        | {"log_step_size": torch.stack((hidden, never, output, never, norm, norm))}
    )

    x = made["x"].requires_grad_()
    h, _ = layer(x, made["targets"], made["weights"])
    logits = h @ weight + bias
    (made["combination"] * logits).sum().backward()
    gradients = {name: getattr(layer, name).grad for name in BlockParameters._fields}
    gradients |= {"softmax_weight": weight.grad, "softmax_bias": bias.grad, "x": x.grad}
    log_gradient = layer.log_step_size.grad
    assert torch.equal(log_gradient[[1, 3]], torch.zeros(2, dtype=dtype))
    of_steps = torch.stack((log_gradient[0], log_gradient[2], log_gradient[4:].sum()))
    gradients["step_sizes"] = of_steps / made["step_sizes"]
    return {"logits": logits.detach(), "gradients": gradients}


def assert_equal(found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    def largest_error(value: Any, wanted: Any) -> float:
        wanted = np.asarray(wanted).reshape(value.shape)
        return np.abs(value.numpy() - wanted).max() / max(1.0, np.abs(wanted).max())

    assert largest_error(found["logits"], expected["logits"]) < tolerance
    assert found["gradients"].keys() == expected["gradients"].keys()
    for name, value in found["gradients"].items():
        assert largest_error(value, expected["gradients"][name]) < tolerance, name


@pytest.mark.parametrize("case", release.CASES, ids=lambda case: f"seed{case['seed']}")
def test_equals_the_committed_numbers_of_the_release(case: dict[str, int]) -> None:
    record = json.loads(release.NUMBERS.read_text())[case["seed"]]
    assert record | case == record
    assert_equal(ours(case, torch.float64), record, 1e-10)
    assert_equal(ours(case, torch.float32), record, 1e-5)


@pytest.mark.parametrize("chunks", [1, 3])
def test_equals_the_release_beside_it(chunks: int) -> None:
    folder = os.environ.get("DRIFTWISE_FWL_RELEASE")
    if not folder:
        pytest.skip("DRIFTWISE_FWL_RELEASE does not name the folder of the release's fwl.py")
    pytest.importorskip("jax")
    pytest.importorskip("flax")
    for seed in range(10, 12):
        sizes = {"batch": 4, "length": 24, "input_size": 8, "size": 8, "words": 20}
        case = {"seed": seed, "chunks": chunks} | sizes
        assert_equal(ours(case, torch.float64), release.run(folder, case), 1e-10)
        assert_equal(ours(case, torch.float32), release.run(folder, case, np.float32), 1e-5)
