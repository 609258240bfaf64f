"""``driftwise evaluate-lm --hugging-face`` on a tiny GPT-2 in a folder, without a network."""

import json
import re
import socket
import sys

import pytest
import torch
from safetensors.torch import load_file

from driftwise.lm.corpora import open_corpus
from driftwise.lm.hugging_face import adapt, cache_sharpness, load_pretrained
from driftwise.scripts.main import main

transformers = pytest.importorskip(
    "transformers", reason="models of Hugging Face need the extra hf"
)
TEXT = "The well-known end. It was the end of it.\n"


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A folder as ``save_pretrained`` leaves it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(fast), n_positions=16, n_embd=8, n_layer=1, n_head=2,
        bos_token_id=fast.bos_token_id, eos_token_id=fast.eos_token_id,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Whoever connects to something fails; and a folder to work in."""

    def refuse(*arguments):
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "essay.txt").write_text(TEXT * 300, "utf-8")


COMMON = ("--corpus", "essay.txt", "--no-progress", "--device", "cpu", "--length", "8")


def evaluate(folder, *arguments):
    main(["evaluate-lm", "--hugging-face", str(folder), *COMMON, *arguments])


def report_of(name="tiny-gpt2"):
    return json.loads(
        open(f"runs/hugging-face/{name}/evaluation/essay.txt-test/report.json").read()
    )


def test_it_reports(pretrained, capsys):
    adapters = ("static", "cache", "dynamic")
    evaluate(pretrained, "--tune-tokens", "150", "--max-tokens", "300", "--adapters", *adapters)
    printed = capsys.readouterr().out
    assert "dynamic" in printed and "runs/hugging-face/tiny-gpt2/evaluation" in printed
    found = report_of()
    assert tuple(found["adapters"]) == adapters
    # A random model learns from what it reads.
    assert found["adapters"]["dynamic"]["gain"]["value"] > 0
    loaded = load_pretrained(pretrained)
    corpus = open_corpus("essay.txt", tokenizer=loaded.tokenizer, progress=False)
    theta = cache_sharpness(adapt(loaded.model), corpus.valid)
    (told,) = re.findall(r'"theta": ([0-9.e+-]+)', found["adapters"]["cache"]["adapter"])
    assert float(told) == pytest.approx(theta)
    assert found["protocol"].startswith("essay.txt test")


def test_a_block_is_fitted_once_and_kept(pretrained, capsys):
    arguments = ["--fit", "--fit-steps", "2", "--tune-tokens", "0", "--max-tokens", "100"]
    evaluate(pretrained, *arguments, "--adapters", "static", "fwl")
    block = "runs/hugging-face/tiny-gpt2/evaluation/block-essay.txt/state.safetensors"
    fitted = load_file(block)
    assert any(part.abs().sum() > 0 for name, part in fitted.items() if "residual" in name)
    first = report_of()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("driftwise.lm.hugging_face.fitted_block.fit_fast_block", None)
        evaluate(pretrained, *arguments, "--adapters", "static", "fwl", "fwl+cache")
    again = report_of()
    for name in ("static", "fwl"):  # read once, with the block that was kept
        assert again["adapters"][name] == first["adapters"][name]
    evaluate(pretrained, *arguments[:2], "3", *arguments[3:], "--adapters", "static")
    other = load_file(block)
    assert any(not torch.equal(part, fitted[name]) for name, part in other.items())


def test_cache_sharpness_is_relative_to_lengths(pretrained):
    loaded = load_pretrained(pretrained)
    corpus = open_corpus("essay.txt", tokenizer=loaded.tokenizer, progress=False)
    model = adapt(loaded.model)
    one = cache_sharpness(model, corpus.valid)
    norm = loaded.model.transformer.ln_f
    with torch.no_grad():
        norm.weight.mul_(3.0)
        norm.bias.mul_(3.0)
    assert cache_sharpness(model, corpus.valid) == pytest.approx(one / 9)


def told(*arguments):
    with pytest.raises(SystemExit) as leaving:
        main(["evaluate-lm", *arguments])
    assert "\n" not in str(leaving.value)
    return str(leaving.value)


def test_errors_are_one_line(pretrained, monkeypatch):
    gpt2 = ("--hugging-face", str(pretrained))
    assert "run, or --hugging-face NAME, must say which model" in told()
    assert "one of the two" in told("runs/some", *gpt2, *COMMON)
    assert "--hugging-face needs --corpus" in told(*gpt2)
    assert "--fit needs --hugging-face" in told("runs/some", "--fit")
    assert "fwl needs a model that was trained with" in told(*gpt2, *COMMON, "--adapters", "fwl")
    assert "unknown adapter name 'cash'" in told(*gpt2, "--adapters", "cash")
    assert "device must be one that torch finds" in told(*gpt2, *COMMON, "--device", "gpu")
    missing = told("--hugging-face", "no/such/model/there", *COMMON)
    assert "hugging_face must be the name of a causal language model" in missing
    assert "got 'no/such/model/there': Repo id must be in the form" in missing
    # As without a network, but for the retries.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    unreachable = told("--hugging-face", "driftwise-tests/no-such-model", *COMMON)
    assert "got 'driftwise-tests/no-such-model': We couldn't connect" in unreachable
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "need the package transformers: pip install 'driftwise[hf]'" in told(*gpt2, *COMMON)


def test_folders_that_are_not_whole(pretrained, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert f"got '{empty}': " in told("--hugging-face", str(empty), *COMMON)
    for path in pretrained.iterdir():
        if "tokenizer" not in path.name:
            (empty / path.name).write_bytes(path.read_bytes())
    assert "makes no tokens of a text" in told("--hugging-face", str(empty), *COMMON)
    (empty / "model.safetensors").write_bytes(b"nothing")
    assert f"got '{empty}': " in told("--hugging-face", str(empty), *COMMON)
