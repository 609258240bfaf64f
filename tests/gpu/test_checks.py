"""Every fast form on the device against its reference in float64 on the CPU."""

import pytest
import torch

from driftwise.benchmarks.gpu.checks import CHECKS, DOUBLE, worst_error
from driftwise.benchmarks.gpu.comparing import Where

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CASES = [
    (name, dtype) for name, check in CHECKS.items() for dtype in check.limits if dtype != DOUBLE
]


@pytest.mark.parametrize(
    ("name", "dtype"), CASES, ids=lambda part: str(part).removeprefix("torch.")
)
def test_fast_forms_are_the_reference(name, dtype):
    part, error = worst_error(name, Where(torch.device("cuda"), dtype))
    assert error <= CHECKS[name].limits[dtype], f"{part} is off by {error:.2g}"
