"""Nested state as tagged JSON plus named arrays, exact to the bit.

``None``, ``True``, ``"text"``, ``3``, ``0.1`` and ``[lists]`` stand for themselves; everything
else is an object whose first key is its tag::

    {"dict": {..}}  {"items": [[key, value], ..]}  {"tuple": [..]}  {"int": "0x.."}
    {"float": "7ff8000000000000"}                              bits of a non-finite float
    {"array" | "scalar" | "tensor": name, "dtype": .., "shape": ..}
"""

import ast
import math
import struct
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

# What every safetensors version stores as it is. Anything else (uint64, complex, big-endian,
# strings, dates, ...) goes in as its bytes; dtype and shape are kept in the JSON either way.
_NATIVE = {"bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"}
_NATIVE_TORCH = _NATIVE | {"bfloat16"}
_EXACT_JSON_INT = 2**53  # beyond it, JSON readers other than Python's lose digits


def is_tensor(value: Any) -> bool:
    """Tell whether ``value`` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")  # no tensor exists before torch is imported
    return torch is not None and isinstance(value, torch.Tensor)


def encode(value: Any, place: str, arrays: dict[str, Any] | None) -> Any:
    """Return the JSON form of a tree and collect its arrays.

    Args:
        value: The tree.
        place: Its name, for errors and for the names of its arrays.
        arrays: Where arrays are put by name; None where there must be none.

    Raises:
        TypeError: If the tree holds something else; names the place.
    """
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if abs(value) <= _EXACT_JSON_INT else {"int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"float": struct.pack(">d", value).hex()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        encoded = [encode(part, _join(place, key), arrays) for key, part in value.items()]
        if all(type(key) is str for key in value):
            return {"dict": dict(zip(value, encoded, strict=True))}
        keys = [encode(key, f"key {key!r} of {place or 'tree'}", None) for key in value]
        return {"items": [list(pair) for pair in zip(keys, encoded, strict=True)]}
    if isinstance(value, list | tuple):
        parts = [encode(part, _join(place, i), arrays) for i, part in enumerate(value)]
        return parts if isinstance(value, list) else {"tuple": parts}
    if arrays is not None:
        if kind is np.ndarray or isinstance(value, np.generic):
            return _encode_array(value, place, arrays)
        if is_tensor(value):
            return _encode_tensor(value, place, arrays)
    raise TypeError(
        f"checkpoint entry {place or 'tree'!r} has type {kind.__module__}.{kind.__qualname__}: "
        f"expected {'' if arrays is None else 'tensors, arrays, '}numbers, strings, None, "
        "or containers of them"
    )


def decode(node: Any, arrays: dict[str, Any]) -> Any:
    """Invert `encode`; ``arrays`` are the stored ones, all torch or all NumPy."""
    if isinstance(node, list):
        return [decode(part, arrays) for part in node]
    if not isinstance(node, dict):
        return node
    tag = next(iter(node))
    body = node[tag]
    if tag == "dict":
        return {key: decode(part, arrays) for key, part in body.items()}
    if tag == "items":
        return {decode(key, arrays): decode(part, arrays) for key, part in body}
    if tag == "tuple":
        return tuple(decode(part, arrays) for part in body)
    if tag == "int":
        return int(body, 16)
    if tag == "float":
        return struct.unpack(">d", bytes.fromhex(body))[0]
    if tag == "tensor":
        return _decode_tensor(arrays[body], node["dtype"], node["shape"])
    array = _decode_array(arrays[body], node["dtype"], node["shape"])
    return array[()] if tag == "scalar" else array


def _join(place: str, key: Any) -> str:
    return f"{place}/{key}" if place else str(key)


def _new_name(place: str, arrays: dict[str, Any]) -> str:
    """Return a name for the array at ``place`` (keys may hold slashes, so places can collide)."""
    name, number = place or "tree", 2
    while name in arrays or name == "__metadata__":  # safetensors keeps that name to itself
        name, number = f"{place}#{number}", number + 1
    return name


def _encode_array(value: Any, place: str, arrays: dict[str, Any]) -> dict[str, Any]:
    if value.dtype.hasobject:
        raise TypeError(f"checkpoint entry {place or 'tree'!r} is an array of Python objects")
    array = np.array(value, order="C")  # a copy: torch refuses read-only and shared memory
    name = _new_name(place, arrays)
    native = array.dtype.isnative and array.dtype.name in _NATIVE
    arrays[name] = array if native else np.array(bytearray(array.tobytes()), np.uint8)
    return {
        "array" if type(value) is np.ndarray else "scalar": name,
        "dtype": repr(np.lib.format.dtype_to_descr(array.dtype)),
        "shape": list(array.shape),
    }


def _decode_array(raw: Any, dtype: str, shape: list[int]) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = raw.numpy() if is_tensor(raw) else raw
    target = np.lib.format.descr_to_dtype(ast.literal_eval(dtype))
    if array.dtype == target:
        return array.reshape(shape)
    if array.size == 0:  # frombuffer refuses an empty buffer
        return np.zeros(shape, target)
    return np.frombuffer(bytearray(array.tobytes()), target).reshape(shape)


def _encode_tensor(value: Any, place: str, arrays: dict[str, Any]) -> dict[str, Any]:
    import torch

    if value.layout is not torch.strided or value.is_quantized:
        raise TypeError(f"checkpoint entry {place or 'tree'!r} must be a dense, plain tensor")
    # A copy of its own for every tensor: safetensors refuses memory that two names share.
    tensor = value.detach().cpu().resolve_conj().resolve_neg().contiguous().clone()
    dtype = str(tensor.dtype).removeprefix("torch.")
    name = _new_name(place, arrays)
    arrays[name] = tensor if dtype in _NATIVE_TORCH else tensor.reshape(-1).view(torch.uint8)
    return {"tensor": name, "dtype": dtype, "shape": list(tensor.shape)}


def _decode_tensor(raw: "torch.Tensor", dtype: str, shape: list[int]) -> "torch.Tensor":
    import torch

    target = getattr(torch, dtype)
    return (raw if raw.dtype == target else raw.view(target)).reshape(shape)
