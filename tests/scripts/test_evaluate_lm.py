"""``driftwise evaluate-lm`` on a tiny model: what it prints and leaves, and one-line errors."""

import json

import pytest
import torch

from driftwise.lm.checkpoint import save_language_model
from driftwise.lm.corpora import open_corpus
from driftwise.lm.models import LSTMConfig, build_model
from driftwise.scripts.main import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
    text = tmp_path / "essay.txt"
    text.write_text("The well-known end. It was the end of it.\n" * 600, "utf-8")
    corpus = open_corpus(text, progress=False)
    config = LSTMConfig(8, 8)
    torch.manual_seed(0)
    model = build_model(config, len(corpus.tokenizer))
    train = {"corpus": str(text), "tokenizer": "words", "vocab_size": None, "min_count": None}
    save_language_model(tmp_path / "model", model, config, corpus, {"train": train})
    return tmp_path / "model"


def test_it_reports(run, capsys):
    arguments = ["evaluate-lm", str(run), "--no-progress", "--device", "cpu", "--length", "8"]
    arguments += ["--adapters", "static", "cache+dynamic", "--tune-tokens", "0"]
    main([*arguments, "--settings", '{"dynamic": {"lr": 0.5}}'])
    printed = capsys.readouterr().out
    assert "cache+dynamic" in printed and "nothing tuned" in printed
    report = json.loads((run / "evaluation/essay.txt-test/report.json").read_text("utf-8"))
    assert report["adapters"]["cache+dynamic"]["gain"]["value"] > 0
    assert '"lr": 0.5' in report["adapters"]["cache+dynamic"]["adapter"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--adapters", "cash"], "unknown adapter name 'cash': there are static"),
        (["--split", "exam"], "split must be one of"),
        (["--corpus", "drifting"], "the vocabulary must be that of the model"),
        (["--num-lanes", "2", "--adapters", "hebbian"], "num_lanes must be 1 for hebbian"),
        (["--adapters", "fwl"], "fwl needs a model that was trained with an adaptive block"),
        (["--settings", '{"cash": {}}'], "settings must be of parts"),
    ],
)
def test_errors_are_one_line(run, arguments, message):
    common = ["evaluate-lm", str(run), "--no-progress", "--tune-tokens", "0", "--device", "cpu"]
    with pytest.raises(SystemExit, match=message) as told:
        main([*common, *arguments])
    assert "\n" not in str(told.value)


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(SystemExit, match="no language model at"):
        main(["evaluate-lm", str(tmp_path)])
