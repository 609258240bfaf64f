"""What a block needs, looked at before minutes are lost: a device, and texts that are whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch

from driftwise.lm.corpora import NAMED
from driftwise.lm.corpora.opening import find_source
from driftwise.lm.corpora.text_files import BLOCK, BROKEN, all_parts, find_file, open_file

# sha256 of the unpacked files of each split that results of record are about, as far as known.
KNOWN: dict[str, tuple[str | None, str, str]] = {
    "wikitext-2": (
        "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
        "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
        "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
    ),
    "wikitext-103": (
        None,
        "9aee9f52d6e77de6c7751fc5e7c44287db3ec0eaf15477098acc6b93c1c4250b",
        "56db52eb157b1ab5c89646eef70510c1eca6e12a3bfdb99f0d6b05b4eacb75b9",
    ),
    "enwiki-long": (
        "c315ad85447cd4b1b5e6258834b06231f45f7343133f88c0622f5adb2cf70efa",
        "8d395236fe59961ff2eaf7847c8f894ea17c0bdb8511a4448c7bdde687a62228",
        "fa6a3cfddb2ded5cce31fc9ce0c433b527d59fc52476c2e38957723de39ad38d",
    ),
    "gutenberg": (
        "4bef5e9bf1cd00f67c200c778ad3e524a09022bc23ed6e488850cea5a2178e29",
        "7e2b8180b8a17023b0ced07031ad2ca8f8738851fbcbdbcf976413c24f3d37ef",
        "e200edf18eeb54f301bf17d699be2b0ce4cd9f7a23233df1272c647aa3c67f2d",
    ),
}


def check_device(name: str) -> torch.device:
    """The GPU of a name, such as ``"cuda"``.

    Raises:
        RuntimeError: There is none; the message says why, and what works without.
    """
    without = "driftwise gpu-run --dry-run runs the whole path on a CPU, with next to nothing to do"
    if name.partition(":")[0] != "cuda":
        raise RuntimeError(f"device must be a GPU, got {name!r}; {without}")
    if torch.version.cuda is None:
        raise RuntimeError(f"torch {torch.__version__} is built without CUDA; {without}")
    try:
        torch.cuda.init()
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # no driver, too old a one, or no such GPU
        reason = str(error).splitlines()[0].rstrip(". ")
        raise RuntimeError(f"no GPU can be used: {reason}; {without}") from None
    return device


def check_corpus(name: str, data: str | os.PathLike[str] | None = None) -> None:
    """Read a named corpus through, so that what is missing or damaged comes out in seconds.

    Args:
        name: Of the corpus, or its path; of one that has no name it is checked that it is there.
        data: Folder of data, by default that of ``DRIFTWISE_DATA``.

    Raises:
        FileNotFoundError: A file, or a part of one, is missing.
        ValueError: A file is damaged, or not the one that results are about.
    """
    folder = Path(os.environ.get("DRIFTWISE_DATA", "") if data is None else data)
    known = NAMED[name].files if name in NAMED else ()
    files = [find_file(folder / file) for file in known]
    if not any(files):
        find_source(name, data)
        return
    for number, (wanted, file) in enumerate(zip(known, files, strict=True)):
        if file is None:
            raise FileNotFoundError(f"{name} needs {folder / wanted} (or .xz), which is not there")
        digest, expected = _digest(file), KNOWN.get(name, (None,) * 3)[number]
        if expected is not None and digest != expected:
            parts = len(all_parts(file))
            raise ValueError(
                f"{file}{f' with its {parts} parts' if parts > 1 else ''} is not the text that "
                f"results are about: unpacked, its sha256 must be {expected}, got {digest}"
            )


def _digest(path: Path) -> str:
    digest, parts = hashlib.sha256(), all_parts(path)
    try:
        with open_file(path) as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except BROKEN as error:
        if len(parts) > 1 or path.name.endswith(".00"):
            last = parts[-1]
            following = last.with_suffix(f".{len(parts):02d}")
            raise ValueError(
                f"{path} is broken or cut short ({error}): {last} ends too early, or {following} "
                "is missing"
            ) from None
        raise ValueError(f"{path} is broken ({error})") from None
    return digest.hexdigest()
