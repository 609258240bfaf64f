"""Checkpoints give back what was saved, to the bit, and damage is noticed."""

import hashlib
import json
import math
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from driftwise.tracking import (
    CheckpointError,
    load_checkpoint,
    load_metadata,
    rng_state,
    save_checkpoint,
    set_rng_state,
)


class Memory(NamedTuple):
    fast: Any
    count: Any


def assert_same(found: Any, expected: Any) -> None:
    """Exact equality of type, dtype, shape and bits."""
    if isinstance(expected, torch.Tensor):
        assert type(found) is torch.Tensor and found.device.type == "cpu"
        assert found.dtype == expected.dtype and found.shape == expected.shape
        whole = [t.detach().resolve_conj().contiguous().reshape(-1) for t in (found, expected)]
        assert torch.equal(*(t.view(torch.uint8) for t in whole))
    elif isinstance(expected, np.ndarray | np.generic):
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
    elif hasattr(expected, "_asdict"):
        assert_same(found, expected._asdict())
    elif isinstance(expected, dict):
        assert type(found) is dict
        assert_same(list(found.keys()), list(expected.keys()))
        assert_same(list(found.values()), list(expected.values()))
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected) and len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, float):
        assert type(found) is float and struct.pack("d", found) == struct.pack("d", expected)
    else:
        assert type(found) is type(expected) and found == expected


def checksums(folder: Path) -> str:
    """What the command sha256sum prints."""
    names = ("state.safetensors", "state.json")
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    return "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))


def round_trip(folder: Path, tree: Any) -> None:
    save_checkpoint(folder / "c", tree)
    assert_same(load_checkpoint(folder / "c"), tree)


dtypes = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
    hnp.boolean_dtypes(),
    hnp.datetime64_dtypes(endianness="?"),
    hnp.unicode_string_dtypes(min_len=1, max_len=3),
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
trees = st.recursive(
    st.one_of(scalars, arrays),
    lambda part: st.one_of(
        st.lists(part, max_size=3),
        st.lists(part, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.floats()), part),
    ),
    max_leaves=8,
)


@given(trees)
@settings(deadline=None, max_examples=60)
def test_any_tree_round_trips(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    round_trip(tmp_path_factory.mktemp("tree"), tree)


def test_torch_tensors_of_every_kind_round_trip(tmp_path: Path) -> None:
    base = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    dtypes = [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64),
        *(torch.complex128, torch.int64, torch.int8, torch.uint8, torch.bool),
        *(torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn),
    ]
    round_trip(
        tmp_path,
        {
            "dtypes": [base.to(dtype) for dtype in dtypes],
            "0-d": [torch.tensor(1.5), torch.tensor(True), torch.tensor(2**63, dtype=torch.uint64)],
            "empty": [torch.zeros(0, 3), torch.zeros(0, dtype=torch.complex128)],
            "transposed": base.T,
            "sliced": base[:, ::2],
            "conjugate": base.to(torch.complex64).conj(),
            "nan": torch.tensor([math.nan, math.inf, -0.0]),
            "beside": np.arange(3, dtype=np.uint64),
        },
    )


def test_parameters_and_shared_memory(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.randn(2, 3))
    save_checkpoint(tmp_path / "c", {"a": weight, "tied": weight, "row": weight[0]})
    found = load_checkpoint(tmp_path / "c")
    assert type(found["a"]) is torch.Tensor and not found["a"].requires_grad
    for name, expected in (("a", weight), ("tied", weight), ("row", weight[0])):
        assert torch.equal(found[name], expected)
    found["a"].zero_()  # loaded tensors are separate and may be written to
    assert torch.equal(found["tied"], weight)


def test_particular_values_round_trip(tmp_path: Path) -> None:
    structured = np.zeros(2, dtype=[("a", "<i4"), ("b", ">f8", (2,))])
    structured["b"] = 0.1
    payload_nan = struct.unpack(">d", bytes.fromhex("fff8000000000abc"))[0]
    round_trip(
        tmp_path,
        {
            "pcg64": np.random.PCG64(7).state,
            "mt19937": np.random.MT19937(7).state,
            "huge": [10**5000, -(2**53), 2**53 + 1, True, 1],
            "floats": [math.nan, payload_nan, math.inf, -math.inf, -0.0, 5e-324, 1e22, 0.1],
            "scalars": [np.float32(0.1), np.uint64(2**64 - 1), np.bool_(True), np.str_("é")],
            "text": "lone surrogate \ud800, newline \n, zero \0",
            "structured": structured,
            "namedtuple": Memory(fast=torch.ones(2), count=[Memory(None, 3)]),
            "keys": {0: "int", "0": "str", (1, "a"): "tuple", None: "none", 1.5: "float"},
            "a/b": np.ones(1),
            "a": {"b": np.zeros(1)},
            "__metadata__": np.arange(2),
            "": {"": np.arange(3)},
            "read only": np.broadcast_to(np.arange(2), (3, 2)),
            "dict": {"array": 1, "tensor": {"tuple": []}},
        },
    )
    round_trip(tmp_path, torch.ones(2))
    round_trip(tmp_path, np.ones(2))
    round_trip(tmp_path, {"__metadata__": np.ones(2)})
    round_trip(tmp_path, None)


def test_optimizer_state_continues_exactly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)

    def train(net: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            net(torch.randn(4, 3)).square().mean().backward()
            optimizer.step()

    train(net, optimizer, 3)
    tree = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "rng": rng_state()}
    save_checkpoint(tmp_path / "c", tree)
    train(net, optimizer, 3)

    other = torch.nn.Linear(3, 2)
    other_optimizer = torch.optim.Adam(other.parameters(), lr=1e-2)
    tree = load_checkpoint(tmp_path / "c")
    other.load_state_dict(tree["net"])
    other_optimizer.load_state_dict(tree["optimizer"])
    set_rng_state(tree["rng"])
    train(other, other_optimizer, 3)
    for name, value in net.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_global_generators_continue_exactly(tmp_path: Path) -> None:
    def draw() -> list[Any]:
        return [
            random.random(),
            random.gauss(0, 1),
            np.random.rand(),  # noqa: NPY002
            np.random.randn(),  # noqa: NPY002
            torch.rand(3).tolist(),
        ]

    draw()  # an odd number of Gaussian draws: the spare one is part of the state
    save_checkpoint(tmp_path / "c", rng_state())
    expected = draw() + draw()
    set_rng_state(load_checkpoint(tmp_path / "c"))
    assert draw() + draw() == expected


def test_works_without_torch_and_opens_with_plain_readers(tmp_path: Path) -> None:
    code = """
import sys
from driftwise.tracking import load_checkpoint, save_checkpoint, rng_state
import numpy as np
save_checkpoint(sys.argv[1], {"w": np.arange(3.0), "rng": rng_state()})
assert load_checkpoint(sys.argv[1])["w"].tolist() == [0, 1, 2]
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "c")], check=True)
    from safetensors.numpy import load_file

    assert load_file(tmp_path / "c" / "state.safetensors")["w"].tolist() == [0, 1, 2]
    assert (tmp_path / "c" / "SHA256SUMS").read_text() == checksums(tmp_path / "c")


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    tree = {"b": torch.arange(3), "a": np.ones(2), "n": {"x": torch.zeros(1), "y": np.ones(1)}}
    for name in ("c", "d"):
        save_checkpoint(tmp_path / name, tree)
    for path in (tmp_path / "c").iterdir():
        assert path.read_bytes() == (tmp_path / "d" / path.name).read_bytes()


def test_metadata(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", {"w": np.ones(3)}, {"step": 5, "big": 2**70})
    assert load_metadata(tmp_path / "c") == {"step": 5, "big": 2**70}
    with pytest.raises(TypeError, match=r"'metadata/w' has type numpy.ndarray: expected numbers"):
        save_checkpoint(tmp_path / "c", {}, {"w": np.ones(3)})
    assert load_metadata(tmp_path / "c")["step"] == 5


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": [1, {2}]}, r"entry 'a/1' has type builtins.set: expected tensors, arrays, numbers"),
        ({"a": np.array([None])}, r"entry 'a' is an array of Python objects"),
        ({"a": torch.eye(2).to_sparse()}, r"entry 'a' must be a dense"),
        ({"a": np.ma.masked_array([1])}, r"entry 'a' has type numpy.*MaskedArray"),
        (lambda: 0, r"entry 'tree' has type builtins.function"),
        ({frozenset(): 0}, r"key frozenset\(\) of tree"),
    ],
)
def test_what_cannot_be_stored_is_named(tmp_path: Path, tree: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        save_checkpoint(tmp_path / "c", tree)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "SHA256SUMS"])
def test_damage_is_noticed_and_named(tmp_path: Path, name: str) -> None:
    tree = {"w": torch.arange(1000.0), "n": 3}
    save_checkpoint(tmp_path / "c", tree)
    path = tmp_path / "c" / name
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (whole[: len(whole) // 2], whole[:-1], b"", bytes(flipped), b"\xff\xfe", None):
        if damaged is None:
            path.unlink()
        else:
            path.write_bytes(damaged)
        if damaged == whole[:-1] and name == "SHA256SUMS":
            continue  # only its last newline is gone: the checksums are all there
        with pytest.raises(CheckpointError, match=str(tmp_path / "c")) as error:
            load_checkpoint(tmp_path / "c")
        assert "\n" not in str(error.value)
        with pytest.raises(CheckpointError):
            load_metadata(tmp_path / "c")


def test_foreign_and_missing_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"no checkpoint at {tmp_path}/none: expected a fol"):
        load_checkpoint(tmp_path / "none")
    with pytest.raises(CheckpointError, match=rf"{tmp_path}/state.json is missing"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path / "c", {"w": np.ones(2)})
    for text in (json.dumps({"format": "other"}), "[1]", "no json"):
        (tmp_path / "c" / "state.json").write_text(text)
        (tmp_path / "c" / "SHA256SUMS").write_text(checksums(tmp_path / "c"))
        with pytest.raises(CheckpointError, match=r"state.json must have the format 'driftwise-"):
            load_checkpoint(tmp_path / "c")


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=f"cannot write {tmp_path}/file/c: "):
        save_checkpoint(tmp_path / "file" / "c", {})
