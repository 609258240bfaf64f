from collections.abc import Iterator

import pytest
import torch

from driftwise.memory.kernels import FastWeightSizes, has_kernel, without_kernels


@pytest.fixture(autouse=True)
def same_random_numbers() -> Iterator[None]:
    """Every test starts from the same weights and inputs, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["kernel", "torch"], scope="module")
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests once with kernels, and once with the torch code they stand in for."""
    if request.param == "torch":
        with without_kernels():
            yield request.param
        return
    if not has_kernel(FastWeightSizes(4, 2, 3, 2, False, False, False), torch.zeros(1)):
        pytest.skip("kernels need a C compiler")
    yield request.param
