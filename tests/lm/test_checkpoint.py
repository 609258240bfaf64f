"""Language models on disk: what comes back, what survives, and what is refused."""

import shutil
from pathlib import Path

import pytest
import torch

from driftwise.lm.checkpoint import load_language_model, save_language_model
from driftwise.lm.corpora import BytePairs, DriftingCorpus, Words
from driftwise.lm.losses import HebbianConfig, SoftmaxConfig
from driftwise.lm.models import (
    FastBlockConfig,
    LSTMConfig,
    ModelConfig,
    SparseLayersConfig,
    TransformerConfig,
    build_model,
)
from driftwise.tracking import CheckpointError

WORDS = Words(["<eos>", "<unk>", *(f"w{i}" for i in range(30))])
MODELS: list[ModelConfig] = [
    LSTMConfig(
        hidden_size=8,
        embedding_size=6,
        softmax=SoftmaxConfig(cutoffs=(10,), hebbian=HebbianConfig()),
        fast_block=FastBlockConfig(),
    ),
    TransformerConfig(
        num_layers=2,
        hidden_size=8,
        num_heads=2,
        sparse_layers=SparseLayersConfig(after=(1,), num_heads=1, num_slots=4),
    ),
]


@pytest.mark.parametrize("config", MODELS, ids=("lstm", "transformer"))
def test_a_model_comes_back_to_the_bit(tmp_path: Path, config: ModelConfig) -> None:
    model = build_model(config, len(WORDS)).eval()
    save_language_model(tmp_path / "model", model, config, WORDS, {"step": 3})
    loaded = load_language_model(tmp_path / "model")
    ids = torch.randint(len(WORDS), (2, 7))
    assert torch.equal(model(ids)[0], loaded.model(ids)[0])
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.model.state_dict()[name]), name
    assert loaded.config == config and loaded.info == {"step": 3}
    assert loaded.tokenizer.to_plain() == WORDS.to_plain() and not loaded.model.training


def test_byte_pairs_and_weights_of_ones_own(tmp_path: Path) -> None:
    tokenizer = BytePairs.train(iter(["to be or not to be"]), vocab_size=260)
    model = build_model(MODELS[0], len(tokenizer))
    zeros = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
    save_language_model(tmp_path / "model", model, MODELS[0], tokenizer, weights=zeros)
    loaded = load_language_model(tmp_path / "model", "auto")
    assert loaded.tokenizer.decode(loaded.tokenizer.encode(["be not"])[0]) == "be not"
    assert all((tensor == 0).all() for tensor in loaded.model.state_dict().values())


def test_of_a_run_the_best_model_or_else_the_last(tmp_path: Path) -> None:
    model = build_model(MODELS[0], len(WORDS))
    save_language_model(tmp_path / "last", model, MODELS[0], WORDS, {"step": 2})
    assert load_language_model(tmp_path).info == {"step": 2}
    save_language_model(tmp_path / "best", model, MODELS[0], WORDS, {"step": 1})
    assert load_language_model(tmp_path).info == {"step": 1}


def test_a_full_disk_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(MODELS[0], len(WORDS))
    save_language_model(tmp_path / "model", model, MODELS[0], WORDS, {"step": 1})

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*No space left on device"):
        save_language_model(tmp_path / "model", model, MODELS[0], WORDS, {"step": 2})
    monkeypatch.undo()
    assert load_language_model(tmp_path / "model").info == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_is_refused(tmp_path: Path) -> None:
    model = build_model(MODELS[0], len(WORDS))
    with pytest.raises(ValueError, match="tokenizer must have the 32 ids of the model, got 3"):
        save_language_model(tmp_path / "x", model, MODELS[0], Words(["<eos>", "<unk>", "a"]))
    with pytest.raises(CheckpointError, match=r"no language model at .*: expected the folder"):
        load_language_model(tmp_path)

    save_language_model(tmp_path / "model", model, MODELS[0], WORDS)
    with pytest.raises(ValueError, match="device must be one that torch finds, got 'gpu'"):
        load_language_model(tmp_path / "model", "gpu")
    corpus = DriftingCorpus(num_words=5, num_tokens=(10, 10, 10))
    with pytest.raises(ValueError, match="the vocabulary must be that of the model, 32 ids"):
        load_language_model(tmp_path / "model").check_corpus(corpus)

    shutil.copytree(tmp_path / "model", tmp_path / "other")
    save_language_model(tmp_path / "seven", build_model(MODELS[1], 7), MODELS[1], corpus)
    shutil.copy(tmp_path / "seven/tokenizer.json", tmp_path / "other/tokenizer.json")
    with pytest.raises(CheckpointError, match="must be the vocabulary that the model was trained"):
        load_language_model(tmp_path / "other")
    (tmp_path / "other/tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer.json is missing or damaged"):
        load_language_model(tmp_path / "other")
    (tmp_path / "model/weights/state.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        load_language_model(tmp_path / "model")
