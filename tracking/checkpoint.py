"""Checkpoints of nested state, exact to the bit, without pickle.

A checkpoint is a folder of three files::

    state.safetensors   every array and tensor, named by its place in the tree
    state.json          the tree itself, every other value, and the caller's metadata
    SHA256SUMS          checksums of both (``sha256sum -c SHA256SUMS`` checks them too)

Loading it runs no code from it, and any safetensors reader can open the arrays.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from .atomic import atomic_folder
from .tree import decode, encode, is_tensor

FORMAT = "driftwise-checkpoint-1"
ARRAYS, TREE, SUMS = "state.safetensors", "state.json", "SHA256SUMS"


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or not one of ours; the message names the file."""


def save_checkpoint(
    folder: str | os.PathLike[str], tree: Any, metadata: dict[str, Any] | None = None
) -> None:
    """Write a checkpoint folder atomically; one already there is replaced.

    Args:
        folder: Where; its parent must exist.
        tree: Nested dicts, lists, tuples and NamedTuples of torch tensors, NumPy arrays and
            scalars, and Python ints (any size), floats, strings, bools and None. Dict keys may be
            any of the plain values or tuples of them. NamedTuples come back as dicts, tensors on
            the CPU without gradient; everything else comes back exactly as it was. Values that
            share memory come back as copies.
        metadata: A dict of the same kind, but without arrays, that `load_metadata` returns.

    Raises:
        TypeError: If the tree holds anything else; the message names the place.
        OSError: If the place is not writable; the message names it.
    """
    arrays: dict[str, Any] = {}
    document = {
        "format": FORMAT,
        "metadata": encode({} if metadata is None else metadata, "metadata", None),
        "tree": encode(tree, "", arrays),
        "framework": "pt" if any(map(is_tensor, arrays.values())) else "np",
    }
    files = {
        ARRAYS: _arrays_to_bytes(arrays, document["framework"]),
        TREE: json.dumps(document, allow_nan=False, separators=(",", ":")).encode(),
    }
    sums = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    with atomic_folder(folder) as temporary:
        for name, data in files.items():
            (temporary / name).write_bytes(data)
        (temporary / SUMS).write_text("".join(sums), encoding="utf-8")


def load_checkpoint(folder: str | os.PathLike[str]) -> Any:
    """Return the tree that `save_checkpoint` wrote.

    Raises:
        CheckpointError: If a file is missing, damaged, or from something else.
    """
    files = _verified_files(Path(folder))
    document = _document(Path(folder), files)
    return decode(document["tree"], _bytes_to_arrays(files[ARRAYS], document["framework"]))


def load_metadata(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Verify a whole checkpoint and return its metadata only.

    Raises:
        CheckpointError: As `load_checkpoint`.
    """
    document = _document(Path(folder), _verified_files(Path(folder)))
    metadata: dict[str, Any] = decode(document["metadata"], {})
    return metadata


def _verified_files(folder: Path) -> dict[str, bytes]:
    """Read both files of a checkpoint and compare them with their checksums."""
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint at {folder}: expected a folder with {TREE}")
    for name in (TREE, ARRAYS, SUMS):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing: not a whole checkpoint")
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        expected = {name: digest for digest, name in (line.split() for line in lines)}
    except ValueError:
        raise CheckpointError(f"{folder / SUMS} is damaged: expected lines of checksums") from None
    files = {name: (folder / name).read_bytes() for name in (ARRAYS, TREE)}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != expected.get(name):
            raise CheckpointError(f"{folder / name} is damaged: its checksum differs from {SUMS}")
    return files


def _document(folder: Path, files: dict[str, bytes]) -> dict[str, Any]:
    """Parse state.json and check that it is one of ours."""
    try:
        document = json.loads(files[TREE])
        found = document["format"]
    except (ValueError, KeyError, TypeError):
        document, found = {}, None
    if found != FORMAT:
        raise CheckpointError(f"{folder / TREE} must have the format {FORMAT!r}, got {found!r}")
    return dict(document)


def _arrays_to_bytes(arrays: dict[str, Any], framework: str) -> bytes:
    """Return a safetensors file; through NumPy where there is no tensor, so without torch."""
    if framework == "np":
        from safetensors.numpy import save as save_numpy

        return bytes(save_numpy(arrays))
    import torch
    from safetensors.torch import save as save_torch

    tensors = {k: v if is_tensor(v) else torch.from_numpy(v) for k, v in arrays.items()}
    return bytes(save_torch(tensors))


def _bytes_to_arrays(data: bytes, framework: str) -> dict[str, Any]:
    if framework == "np":
        from safetensors.numpy import load as load_numpy

        return dict(load_numpy(data))
    from safetensors.torch import load as load_torch

    return dict(load_torch(data))
