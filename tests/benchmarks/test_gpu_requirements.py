"""What a GPU run looks at first: the device, its memory, and the texts."""

import lzma
import re
from dataclasses import replace
from itertools import count

import pytest
import torch

from driftwise.benchmarks.gpu import requirements
from driftwise.benchmarks.gpu.memory_needed import GIB, check_fits, training_bytes
from driftwise.benchmarks.gpu.requirements import check_corpus, check_device
from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import (
    FastBlockConfig,
    LSTMConfig,
    SparseLayersConfig,
    TransformerConfig,
    build_model,
)
from driftwise.lm.training import TrainConfig
from driftwise.lm.training.gpu_recipes import EXPECTED, GPU_RECIPES
from driftwise.memory import without_kernels

VOCABULARY = 400
SOFTMAX = SoftmaxConfig(logit_cap=30.0)
BODY = TransformerConfig(4, 128, 2, 64, 64, softmax=SOFTMAX)
SPARSE = SparseLayersConfig((1, 3), 2, 16, key_size=16, value_size=16, chunk_size=16)
MODELS = {
    "transformer": BODY,
    "fwl": replace(BODY, fast_block=FastBlockConfig(chunk_size=16)),
    "sparse": replace(BODY, sparse_layers=SPARSE),
    "lstm": LSTMConfig(128, 64, 2, softmax=SoftmaxConfig()),
}


@pytest.mark.parametrize("name", MODELS)
def test_activations_are_about_what_torch_keeps(name):
    """Between two batch sizes, so that weights and their copies cancel."""

    def kept(rows):
        torch.manual_seed(0)
        model, sizes = build_model(MODELS[name], VOCABULARY), {}
        ids = torch.randint(VOCABULARY, (rows, 64))

        def pack(tensor):
            storage = tensor.untyped_storage()
            alive.append(storage)
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        alive = []
        hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        with hooks, without_kernels(), torch.autocast("cpu", torch.bfloat16):
            loss = model.head.loss(model(ids)[0], ids).mean()
        assert loss.requires_grad
        return sum(sizes.values())

    config = TrainConfig(model=MODELS[name], batch_size=4, length=64)
    estimates = [training_bytes(replace(config, batch_size=rows), VOCABULARY) for rows in (4, 8)]
    found = kept(8) - kept(4)
    assert 0.7 < (estimates[1] - estimates[0]) / found < 1.6


@pytest.mark.parametrize("name", EXPECTED)
def test_recipes_fit_into_the_gpu_that_they_are_for(name):
    check_fits(name, GPU_RECIPES[name](), EXPECTED[name].vocab_size, 139 * GIB)


def test_what_would_fit_is_told():
    config, words = GPU_RECIPES["wiki-m"](), 267_735
    with pytest.raises(ValueError, match=r"wiki-m needs about \d+ GiB, and .* has 24 GiB") as told:
        check_fits("wiki-m", config, words, 24 * GIB)
    (parts,) = re.findall(r"it would fit with --micro-batches (\d+)", str(told.value))
    assert config.batch_size % int(parts) == 0
    check_fits("wiki-m", replace(config, micro_batches=int(parts)), words, 24 * GIB)
    with pytest.raises(ValueError, match=r"no number of micro-batches makes it fit, .* --recipe"):
        check_fits("wiki-m", config, words, 2 * GIB)


def test_a_missing_gpu_is_told(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(RuntimeError, match="is built without CUDA; driftwise gpu-run --dry-run"):
        check_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")

    def no_driver():
        raise RuntimeError("Found no NVIDIA driver on your system. Please check\nmore lines")

    monkeypatch.setattr(torch.cuda, "init", no_driver)
    with pytest.raises(RuntimeError, match=r"no GPU can be used: Found no NVIDIA driver") as told:
        check_device("cuda:0")
    assert "\n" not in str(told.value)
    with pytest.raises(RuntimeError, match="device must be a GPU, got 'cpu'"):
        check_device("cpu")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A corpus under the name of a known one, its train split compressed and cut in two."""
    folder = tmp_path / "enwiki-long"
    folder.mkdir()
    numbers = count()
    text = "".join(f"word {next(numbers)} is not word {next(numbers)}\n" for _ in range(2_000))
    packed = lzma.compress(text.encode())
    (folder / "enwiki.train.txt.xz.00").write_bytes(packed[: len(packed) // 2])
    (folder / "enwiki.train.txt.xz.01").write_bytes(packed[len(packed) // 2 :])
    for split in ("valid", "test"):
        (folder / f"enwiki.{split}.txt").write_text(f"the {split} split\n")
    monkeypatch.setattr(requirements, "KNOWN", {})
    return tmp_path


def test_whole_data_passes_and_missing_parts_are_named(data):
    check_corpus("enwiki-long", data)
    folder = data / "enwiki-long"
    second = folder / "enwiki.train.txt.xz.01"
    content = second.read_bytes()
    second.unlink()
    with pytest.raises(ValueError, match=r"cut short .*xz\.00 ends too early, or .*xz\.01 is mis"):
        check_corpus("enwiki-long", data)
    second.write_bytes(content[:-20])
    with pytest.raises(ValueError, match=r"xz\.01 ends too early"):
        check_corpus("enwiki-long", data)
    second.write_bytes(content[:50] + bytes(10) + content[60:])
    with pytest.raises(ValueError, match="broken"):
        check_corpus("enwiki-long", data)
    second.write_bytes(content)
    (folder / "enwiki.test.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"needs .*enwiki\.test\.txt \(or \.xz\)"):
        check_corpus("enwiki-long", data)


def test_another_text_is_refused(data, monkeypatch):
    monkeypatch.setattr(requirements, "KNOWN", {"enwiki-long": (None, "0" * 64, "0" * 64)})
    with pytest.raises(ValueError, match=r"enwiki\.valid\.txt is not the text .* must be 0000"):
        check_corpus("enwiki-long", data)


def test_a_corpus_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"enwiki-long needs enwiki-long/enwiki\.train"):
        check_corpus("enwiki-long", tmp_path)
    with pytest.raises(ValueError, match="name_or_path must be one of"):
        check_corpus(str(tmp_path / "nowhere.txt"))
    (tmp_path / "my.txt").write_text("some words\n")
    check_corpus(str(tmp_path / "my.txt"))
