"""The kernel of sparse fast weights for GPUs, without one: interpreted, compiled, and passed by."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from driftwise.memory import SparseFastWeights
from driftwise.memory.kernels import has_slot_kernel, slot_check, without_kernels

pytest.importorskip("triton", reason="the kernel for GPUs needs triton")


def test_values_and_gradients_are_those_of_the_equations() -> None:
    """In Triton's interpreter, on CPU tensors: every rule, resets, padding, rows in parts."""
    script = Path(__file__).with_name("slots_interpreted.py")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "all equal"


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("name", ["forward", "backward"])
def test_it_compiles_for_a_gpu(
    name: str, resets: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the machine code of an H200, with the sizes of a recipe and such as need padding."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from driftwise.memory.kernels import slots_triton

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel = getattr(slots_triton, name)
    parameters = list(inspect.signature(kernel.fn).parameters)
    types = {"slots": "*i64", "starts": "*i8", "length": "i32", "heads": "i32", "num_slots": "i32"}
    names = ("TOP_K", "KEY", "VALUE", "TOP_K_PAD", "KEY_PAD", "VALUE_PAD")
    for sizes, warps in (((2, 16, 16, 2, 16, 16), 2), ((3, 8, 12, 4, 8, 16), 1)):
        constants: dict[str, Any] = {"HAS_STARTS": resets, "ADDITIVE": not resets, "KEEP": resets}
        constants |= dict(zip(names, sizes, strict=True))
        if not resets:  # arguments that are None
            constants |= dict.fromkeys(("starts", "d_initial"))
            constants |= {"kept": None} if name == "forward" else {}
        given = {key: value for key, value in constants.items() if key in parameters}
        signature = {p: "constexpr" if p in given else types.get(p, "*fp32") for p in parameters}
        made = compile(
            ASTSource(kernel, signature, constexprs=given),
            target=GPUTarget("cuda", 90, 32),
            options={"num_warps": warps, "num_stages": 1},
        )
        assert len(made.asm["cubin"]) > 1_000


def test_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full precision on a GPU, several slots, no decay; made-up devices, since there is none."""

    def taken(device: str = "cuda", dtype: torch.dtype = torch.float32, **options: Any) -> bool:
        memory = SparseFastWeights(4, **options)
        tensor = SimpleNamespace(device=torch.device(device), dtype=dtype)
        return has_slot_kernel(memory._sizes, tensor, tensor)

    monkeypatch.setattr(slot_check, "is_functorch_wrapped_tensor", lambda tensor: False)
    monkeypatch.setattr(slot_check, "works_on", lambda device: True)
    assert taken() and taken(dtype=torch.float64)
    assert not taken("cpu") and not taken(dtype=torch.bfloat16)
    assert not taken(decay=True) and not taken(num_slots=1, top_k=1)
    with without_kernels():
        assert not taken()
    monkeypatch.setattr(slot_check, "has_triton", lambda: False)
    assert not taken()


def test_a_kernel_that_fails_or_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any) -> Any:
        raise RuntimeError("no such instruction\nand much more")

    def wrong(sizes: Any, equations: Any, slot: Any, *rest: Any) -> Any:
        out, final = equations(*rest[:-1])
        return 1.001 * out, final

    def right(sizes: Any, equations: Any, slot: Any, *rest: Any) -> Any:
        return equations(*rest[:-1])

    for kernel, message in (
        (fails, "RuntimeError: no such instruction$"),
        (wrong, "its numbers differ by"),
    ):
        slot_check.works_on.cache_clear()
        monkeypatch.setattr(slot_check, "slot_weights", kernel)
        with pytest.warns(UserWarning, match=message):
            assert not slot_check.works_on(torch.device("cpu"))
    slot_check.works_on.cache_clear()
    monkeypatch.setattr(slot_check, "slot_weights", right)
    assert slot_check.works_on(torch.device("cpu"))
    slot_check.works_on.cache_clear()
