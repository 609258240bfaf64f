"""The table of record from cells, its file, and its tables in Markdown."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from driftwise.evaluation import (
    bootstrap_interval,
    build_result,
    format_table,
    iqm,
    load_result,
    render_tables,
    write_result,
)


def cell(row: str, setting: str, seed: int, **metrics: float) -> dict[str, Any]:
    return {
        "row": row,
        "setting": setting,
        "seed": seed,
        "metrics": metrics,
        "date": f"2026-01-0{seed + 1}",
        "machine": {"kind": "2-core x86_64 CPU", "cores": 2},
        "versions": {"python": "3.11.7", "torch": "2.9.1" if seed == 0 else "2.15.0"},
    }


CELLS = [
    cell("sparse", "default", 0, regret=0.0981, steps_per_s=12345678.0),
    cell("d_ucb", "default", 0, regret=0.12),
    cell("sparse", "hard", 0, regret=0.2),
    cell("sparse", "default", 1, regret=0.0985, steps_per_s=12345679.0),
    cell("sparse", "default", 2, regret=0.0977, steps_per_s=12345680.0),
    cell("d_ucb", "default", 2, regret=0.121),
]


@pytest.fixture
def result() -> dict[str, Any]:
    return build_result(CELLS, name="toy", command="make toy", protocol="200 steps, held out")


def test_build_result(result: dict[str, Any]) -> None:
    assert list(result) == [
        *("name", "command", "date", "machine", "versions", "protocol", "statistic", "seeds"),
        "table",
    ]
    assert result["seeds"] == [0, 1, 2] and result["date"] == "2026-01-03"
    assert result["machine"] == {"kind": "2-core x86_64 CPU", "cores": 2}
    assert result["versions"] == {"python": "3.11.7", "torch": "2.9.1, 2.15.0"}
    assert [(e["row"], e["setting"], e["metric"], e["n"]) for e in result["table"]] == [
        ("sparse", "default", "regret", 3),
        ("sparse", "default", "steps_per_s", 3),
        ("d_ucb", "default", "regret", 2),
        ("sparse", "hard", "regret", 1),
    ]
    expected = bootstrap_interval([0.0981, 0.0985, 0.0977])
    entry = result["table"][0]
    assert (entry["value"], entry["low"], entry["high"]) == expected[:3]
    single = result["table"][3]
    assert single["value"] == single["low"] == single["high"] == 0.2


def test_build_result_with_iqm() -> None:
    cells = [cell("a", "default", seed, x=float(seed**2)) for seed in range(8)]
    result = build_result(cells, name="t", command="c", protocol="p", statistic="iqm")
    assert result["table"][0]["value"] == iqm([seed**2 for seed in range(8)])
    assert result["statistic"].startswith("iqm over seeds")


def test_build_result_refuses() -> None:
    with pytest.raises(ValueError, match="cells of toy must be at least one, got none"):
        build_result([], name="toy", command="", protocol="")
    with pytest.raises(ValueError, match=r"cells of toy must be distinct, got \('sparse', 'def"):
        build_result([CELLS[0], CELLS[0]], name="toy", command="", protocol="")


def test_write_and_load(result: dict[str, Any], tmp_path: Path) -> None:
    result["table"][2]["value"] = math.inf
    result["table"][2]["low"] = math.nan
    path = write_result(result, tmp_path)
    assert path == tmp_path / "toy.json" and [p.name for p in tmp_path.iterdir()] == ["toy.json"]
    json.loads(path.read_text(), parse_constant=pytest.fail)
    assert str(load_result(path)) == str(result)  # as text: NaN equals itself there


def test_load_refuses_what_is_no_result(result: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=f"{path} must be the JSON of a result"):
        load_result(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match=f"{path} must be an object with name, command"):
        load_result(path)
    broken = copy.deepcopy(result)
    del broken["table"][1]["low"]
    path.write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=f"{path} must have 'table: low'"):
        load_result(path)
    with pytest.raises(ValueError, match="result must have 'table: low'"):
        write_result(broken, tmp_path)


def test_table_of_one_setting(result: dict[str, Any]) -> None:
    assert format_table(result, "regret", settings=["default"]).splitlines() == [
        "|  | regret | seeds |",
        "| --- | ---: | ---: |",
        "| sparse | 0.098 [0.098, 0.098] | 3 |",
        "| d ucb | 0.120 [0.120, 0.121] | 2 |",
    ]


def test_table_of_several_settings_and_metrics(result: dict[str, Any]) -> None:
    assert format_table(result, "regret", digits=4, rows=["d_ucb", "sparse"]).splitlines() == [
        "|  | default | hard | seeds |",
        "| --- | ---: | ---: | ---: |",
        "| d ucb | 0.1205 [0.1200, 0.1210] | – | 2 |",
        "| sparse | 0.0981 [0.0977, 0.0985] | 0.2000 | 1 to 3 |",
    ]
    both = format_table(result, ["steps_per_s", "regret"], settings=["default"], rows=["sparse"])
    assert both.splitlines()[0] == "|  | steps per s | regret | seeds |"
    assert "| 12,345,679 [12,345,678, 12,345,680] | 0.0981 [0.0977, 0.0985] |" in both
    every = format_table(result, ["regret", "steps_per_s"])
    assert every.splitlines()[0] == (
        "|  | default, regret | default, steps per s | hard, regret | seeds |"
    )


def test_table_refuses_unknown_names(result: dict[str, Any]) -> None:
    for arguments, message in (
        (
            {"metrics": "loss"},
            r"metric: 'loss' is not in toy, which has \['regret', 'steps_per_s'\]",
        ),
        ({"metrics": "regret", "rows": ["gru"]}, "rows: 'gru' is not in toy"),
        ({"metrics": "regret", "settings": ["easy"]}, "settings: 'easy' is not in toy"),
    ):
        with pytest.raises(ValueError, match=message):
            format_table(result, **arguments)


TEXT = """# Title
  <!-- result:shown_as_an_example metric=x -->

<!-- result:toy metric=regret settings=default -->
old
<!-- /result -->
between
<!-- result:toy metric=regret,steps_per_s rows=sparse digits=4 -->
<!-- /result -->
end
"""


def test_render_tables(result: dict[str, Any], tmp_path: Path) -> None:
    write_result(result, tmp_path)
    rendered = render_tables(TEXT, tmp_path)
    stored = load_result(tmp_path / "toy.json")
    first = format_table(stored, "regret", settings=["default"])
    second = format_table(stored, ["regret", "steps_per_s"], rows=["sparse"], digits=4)
    opening, close = "<!-- result:toy metric=regret", "<!-- /result -->"
    assert rendered == (
        "# Title\n  <!-- result:shown_as_an_example metric=x -->\n\n"
        f"{opening} settings=default -->\n\n{first}\n\n{close}\nbetween\n"
        f"{opening},steps_per_s rows=sparse digits=4 -->\n\n{second}\n\n{close}\nend\n"
    )
    assert render_tables(rendered, tmp_path) == rendered
    assert render_tables("no markers", tmp_path) == "no markers"


def test_render_tables_refuses(result: dict[str, Any], tmp_path: Path) -> None:
    write_result(result, tmp_path)
    end = "\n<!-- /result -->\n"
    with pytest.raises(FileNotFoundError, match=r"other\.json"):
        render_tables(f"<!-- result:other metric=regret -->{end}", tmp_path)
    with pytest.raises(ValueError, match=r"marker of toy: metric=\.\.\. is missing"):
        render_tables(f"<!-- result:toy -->{end}", tmp_path)
    with pytest.raises(ValueError, match=r"marker of toy: options must be .* got 'rowz=a'"):
        render_tables(f"<!-- result:toy metric=regret rowz=a -->{end}", tmp_path)
    with pytest.raises(ValueError, match="metric: 'loss' is not in toy"):
        render_tables(f"<!-- result:toy metric=loss -->{end}", tmp_path)
    for text in ("<!-- result:toy metric=regret -->\n", end, TEXT.replace("<!-- /r", "<!-- r", 1)):
        with pytest.raises(ValueError, match=r"text must have .* in pairs"):
            render_tables(text, tmp_path)
