"""The checks of ``pytest -m gpu``, small and on the CPU; and that they find what is wrong."""

import math

import pytest
import torch
from torch import nn

from driftwise.benchmarks.gpu import checks
from driftwise.benchmarks.gpu.checks import CHECKS, DOUBLE, SINGLE, worst_error
from driftwise.benchmarks.gpu.comparing import Size, Where, errors, relative

CPU = torch.device("cpu")
SMALL = Size(2, 40, 16)
CASES = [
    (name, dtype)
    for name, check in CHECKS.items()
    for dtype in check.limits
    if dtype == SINGLE or not name.startswith("compiled")  # which takes a second each
]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("name", "dtype"), CASES, ids=lambda part: str(part).removeprefix("torch.")
)
def test_fast_forms_are_the_reference(name, dtype):
    part, error = worst_error(name, Where(CPU, dtype), SMALL)
    assert error <= CHECKS[name].limits[dtype], part


def test_a_wrong_form_is_found(monkeypatch):
    chunked = checks.chunked
    monkeypatch.setattr(checks, "chunked", lambda *given: chunked(*given, additive=True))
    assert worst_error("delta rule in chunks", Where(CPU, DOUBLE), SMALL)[1] > 0.1


def test_a_wrong_gradient_is_found():
    def half(m, x):
        return {"y": m(x + (x.detach() - x) / 2)}

    found = errors(
        Where(CPU, DOUBLE), nn.Linear(3, 2), lambda m, x: {"y": m(x)}, half, [torch.randn(4, 3)]
    )
    assert found.pop("gradient of input 0") == pytest.approx(0.5)
    assert max(found.values()) < 1e-12


def test_errors_are_relative_and_zeros_have_a_floor():
    expected = {"y": torch.tensor([3.0, 4.0]), "none": torch.zeros(2), "gradient": torch.ones(1)}
    found = {
        "y": torch.tensor([3.0, 4.5]),
        "none": torch.full((2,), 1e-3),
        "gradient": torch.ones(1),
    }
    result = relative(found, expected)
    assert result["y"] == pytest.approx(0.1)
    assert result["none"] == pytest.approx(2**0.5 * 1e-3 / (1e-3 * 5))
    assert result["gradient"] == 0


def test_what_is_not_a_number_is_worst(monkeypatch):
    spoilt = checks.Check(lambda where, size: {"y": 1.0, "state": math.nan, "z": 2.0})
    monkeypatch.setitem(CHECKS, "spoilt", spoilt)
    part, error = worst_error("spoilt", Where(CPU, SINGLE))
    assert part == "state" and not error <= spoilt.limits[SINGLE]
