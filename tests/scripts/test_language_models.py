"""``driftwise train-lm`` and ``driftwise generate``, end to end."""

import json
from pathlib import Path

import pytest

from driftwise.scripts.main import main


def test_train_and_generate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
    text = tmp_path / "book.txt"
    text.write_text("The end of the beginning .\n" * 100, "utf-8")
    command = [
        *("train-lm", "--recipe", "drifting-lstm", "--corpus", str(text), "--num-steps", "4"),
        *("--warmup", "1", "--batch-size", "2", "--length", "8", "--valid-batch-size", "2"),
        *("--model.hidden-size", "8", "--model.embedding-size", "8", "--device", "cpu"),
        *("--sample-tokens", "3", "--runs", str(tmp_path / "runs"), "--seed", "3"),
    ]
    main(command)
    output = capsys.readouterr().out
    folder = tmp_path / "runs/book.txt/drifting-lstm-3"
    assert "validation perplexity" in output and f"driftwise generate {folder}" in output
    assert json.loads((folder / "config.json").read_text())["model"]["hidden_size"] == 8
    main([*command, "--no-progress", "--resume", "yes"])
    assert capsys.readouterr().out == ""

    ask = ["generate", str(folder), "--prompt", "The end", "--tokens", "5", "--device", "cpu"]
    main(ask)
    first = capsys.readouterr().out
    main(ask)
    assert first.startswith("The end") and capsys.readouterr().out == first


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["generate", "nowhere"], "no language model at nowhere"),
        (["train-lm", "--corpus", "nothing"], "name_or_path must be one of ptb"),
        (["train-lm", "--recipe", "drifting-lstm", "--length", "0"], "length must be at least 1"),
    ],
)
def test_errors_are_one_line(command: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message) as error:
        main(command)
    assert "\n" not in str(error.value)
