"""The command line: help that explains, errors of one line, and the commands end to end."""

import json

import pytest

from driftwise.agents.training import make_agent
from driftwise.scripts import train_agent
from driftwise.scripts.main import COMMANDS, main


@pytest.fixture
def run(capsys):
    """A function that runs a command line and returns (exit message or None, output)."""

    def call(*arguments):
        try:
            main(arguments)
            leaving = None
        except SystemExit as exit:
            leaving = exit.code
        captured = capsys.readouterr()
        return leaving, captured.out + captured.err

    return call


SMALL = (
    "--env-kwargs",
    '{"num_arms": 2, "max_episode_steps": 10}',
    *("--num-envs", "4", "--n-steps", "10", "--total-timesteps", "80"),
    *("--width", "8", "--memory", "gru"),
)


def test_help_lists_every_command(run):
    _, text = run("--help")
    assert all(command in text for command in COMMANDS)
    assert run()[1] == text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    leaving, text = run(command, "--help")
    assert not leaving
    assert f"driftwise {command}" in text
    assert len(text) > 300


def test_version(run):
    assert run("--version")[1].startswith("driftwise 0.")


def test_an_unknown_command(run):
    assert "no command 'trian-agent'; there are train-agent" in run("trian-agent")[0]


@pytest.mark.parametrize("recipe", ["standard-bandit", "recurring-bandit", "maze", "two-arms"])
def test_another_memory_makes_an_agent_of_the_same_size(recipe, monkeypatch):
    trained = []

    def take(config, **options):
        trained.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("driftwise.agents.training.train_agent", take)
    for memory in ([], ["--memory", "gru"], ["--memory=lstm"], ["--memory", "dense"]):
        with pytest.raises(KeyboardInterrupt):
            train_agent.main(["--recipe", recipe, "--num-envs", "4", *memory])
    assert [config.memory for config in trained] == ["sparse", "gru", "lstm", "dense"]
    models = [make_agent(config) for config in trained]
    sizes = [sum(p.numel() for p in model.policy.parameters()) for model in models]
    assert sizes == pytest.approx([sizes[0]] * 4, rel=0.03)
    with pytest.raises(KeyboardInterrupt):
        train_agent.main(["--recipe", recipe, "--memory", "gru", "--memory-kwargs", "{}"])
    assert (trained[-1].width, trained[-1].memory_kwargs) == (48, {})


def test_train_then_evaluate(run, tmp_path):
    leaving, text = run("train-agent", *SMALL, "--runs", str(tmp_path), "--name", "small")
    assert leaving is None
    assert "regret a step" in text
    folder = tmp_path / "ShiftingBandit-v0" / "small-0"
    report = json.loads((folder / "report.json").read_text())
    assert report["num_timesteps"] == 80
    assert {line["name"] for line in report["scores"]} >= {"gru", "random", "bayes_ucb"}
    assert (folder / "figures" / "regret.png").stat().st_size > 10_000
    assert list(folder.glob("events.out.tfevents.*"))

    leaving, text = run(
        *("evaluate-agent", str(folder), "--num-worlds", "20"),  # in the agent's own world
        *("--policies", "random", "thompson"),
        *("--figure", str(tmp_path / "new" / "a.png"), "--report", str(tmp_path / "a.json")),
    )
    assert leaving is None
    assert "small-0" in text and "thompson" in text
    assert (tmp_path / "new" / "a.png").exists()
    evaluated = json.loads((tmp_path / "a.json").read_text())
    assert len(evaluated["scores"]) == 3
    assert evaluated["env_kwargs"] == report["config"]["env_kwargs"] != {}
    # Another recipe's run does not meet this one.
    leaving, _ = run("train-agent", *SMALL, "--runs", str(tmp_path), "--recipe", "two-arms")
    assert leaving is None and (folder.parent / "two-arms-gru-0").exists()


def test_an_environment_without_regret(run, tmp_path):
    leaving, text = run(
        *("train-agent", "--env", "CartPole-v1", "--env-kwargs", "{}", "--runs", str(tmp_path)),
        *SMALL[2:],
    )
    assert leaving is None
    assert "return" in text and "regret a step" not in text
    folder = str(tmp_path / "CartPole-v1" / "gru-0")
    report = tmp_path / "cartpole.json"
    evaluate = ("evaluate-agent", folder, "--env", "CartPole-v1", "--num-worlds", "20")
    assert run(*evaluate, "--report", str(report))[0] is None
    scores = json.loads(report.read_text())["scores"]
    assert {line["name"] for line in scores} == {"gru-0", "random"}
    assert all(line["episode_return"] > 0 for line in scores)
    figure = run(*evaluate, "--figure", str(tmp_path / "new" / "a.png"))[0]
    assert "figure needs an environment that tells its regret" in figure
    assert not (tmp_path / "new" / "a.png").exists()
    assert "env must have optimal_actions()" in run(*evaluate, "--policies", "oracle")[0]
    assert "env: Environment `Elephant` doesn't exist" in run(*evaluate[:3], "Elephant-v0")[0]


def test_islands_are_trained_and_scored_on_other_graphs(run, tmp_path):
    leaving, text = run(
        *("train-agent", "--recipe", "island-transport", "--runs", str(tmp_path)),
        *("--num-envs", "4", "--n-steps", "30", "--total-timesteps", "120", "--memory", "gru"),
        *("--memory-kwargs", "{}", "--width", "8"),
    )
    assert leaving is None
    assert "worlds with the graphs held out" in text
    report = json.loads(
        (tmp_path / "IslandTransport-v0/island-transport-gru-0/report.json").read_text()
    )
    by_name = {line["name"]: line for line in report["scores"]}
    assert by_name["oracle"]["share"] == 1 and by_name["random"]["share"] == 0
    assert 155 < by_name["oracle"]["episode_return"] < 175


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "driftwise/Elephant-v0"], "env: Environment `Elephant` doesn't exist"),
        (["--memory", "elephant"], "memory must be one of sparse, dense, gru, lstm, none"),
        (["--memory-kwargs", '{"top_k": 9}'], "top_k must be at most num_slots=4, got 9"),
        (["--sequence-length", "7"], "sequence_length must divide n_steps"),
        (["--env-kwargs", '{"num_arms": 0}'], "num_arms must be at least"),
        (["--num-minibatches", "7"], "num_minibatches must divide"),
        (["--num-minibatches", "0"], "num_minibatches must be at least 1, got 0"),
        (["--seed", "-1"], "seed must be from 0"),
        (["--learning-rate", "-1"], "learning_rate must be above 0"),
        (["--device", "cuda:99"], "device must be one that torch finds, got 'cuda:99'"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(run, tmp_path, arguments, message):
    leaving, _ = run("train-agent", "--runs", str(tmp_path / "runs"), *arguments)
    assert message in leaving
    assert leaving.startswith("driftwise train-agent: ")
    assert "\n" not in leaving
    assert not (tmp_path / "runs").exists()


def test_dictionaries_must_be_json(run):
    leaving, text = run("train-agent", "--env-kwargs", "num_arms=2")
    assert leaving == 2
    assert "JSON" in text


def test_an_unknown_recipe(run):
    leaving, text = run("train-agent", "--recipe", "elephant")
    assert leaving == 2
    assert "two-arms" in text


def test_an_unknown_result(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    assert "that of a file in results/" in run("results", "show", "elephant")[0]
    (tmp_path / "results" / "zebra.json").write_text("{}")
    assert "name must be one of zebra; got 'elephant'" in run("results", "show", "elephant")[0]


def test_an_unknown_agent(run):
    leaving, _ = run("evaluate-agent", "elephant")
    assert "agents must be folders of runs or agents, random, oracle, a bandit policy" in leaving
    assert "standard-bandit-sparse; got 'elephant'" in leaving


def test_an_agent_of_another_environment(run):
    arguments = ("--env-kwargs", '{"num_arms": 3}', "--num-worlds", "5")
    leaving, _ = run("evaluate-agent", "standard-bandit-sparse", *arguments)
    assert "env must have the agent's observation_space" in leaving


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "cuda:9"], "device must be one that torch finds, got 'cuda:9'"),
        (["--episodes", "0"], "episodes must be at least 1, got 0"),
        (["--figure", "/proc/nowhere/a.png"], "/proc/nowhere"),
        (["--report", "/proc/nowhere/a.json"], "/proc/nowhere"),
    ],
)
def test_evaluate_agent_looks_before_it_plays(run, monkeypatch, arguments, message):
    monkeypatch.setattr("driftwise.agents.evaluation.play_all", None)
    leaving, _ = run("evaluate-agent", "standard-bandit-sparse", *arguments)
    assert leaving.startswith("driftwise evaluate-agent: ") and message in leaving
    assert "\n" not in leaving


def test_run_omniglot(run, tmp_path):
    arguments = (
        *("run-omniglot", "--images", "glyphs", "--max-classes", "12", "--block-size", "6"),
        *("--learner", "softmax", "--learner-kwargs", '{"width": 8}', "--threshold", "0.3"),
        *("--batch-size", "8", "--runs", str(tmp_path)),
    )
    leaving, text = run(*arguments)
    assert leaving is None
    assert "level 0, 6 classes" in text and "accuracy 0." in text
    folder = tmp_path / "glyphs-curriculum" / "softmax-0"
    assert f"in {folder}" in text
    report = json.loads((folder / "report.json").read_text())
    assert [stage["classes"] for stage in report["stages"]] == [6, 12]
    assert f"{report['steps']:,} steps" in text
    assert "--resume" not in run(*arguments, "--resume", "yes")[1]
    assert "already holds a run" in run(*arguments, "--resume", "no")[0]
    assert "threshold" in run(*arguments, "--threshold", "0.4")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learner", "elephant"], "learner must be one of softmax, "),
        (["--threshold", "2"], "threshold must be"),
        (["--stream", "iid"], "max_steps must be given for stream='iid'"),
        (["--start-from", "nowhere"], "no checkpoint at nowhere"),
        (["--slow-weights-from", "nowhere"], "no checkpoint at nowhere"),
        (["--streams", "0"], "count must be at least 1"),
    ],
)
def test_errors_of_run_omniglot_are_one_line(run, tmp_path, arguments, message):
    leaving, _ = run(
        *("run-omniglot", "--images", "glyphs", "--max-classes", "30"),
        *("--runs", str(tmp_path / "runs"), *arguments),
    )
    assert leaving.startswith("driftwise run-omniglot: ") and message in leaving
    assert "\n" not in leaving
    assert not (tmp_path / "runs").exists()


FEW_SHOT = (
    *("train-fewshot", "--recipe", "glyphs", "--num-ways", "3", "--width", "4"),
    *("--updates", "2", "--tasks-per-update", "1", "--evaluate-episodes", "2"),
    *("--test-episodes", "3", "--validation-classes", "6"),
)


@pytest.fixture
def few_glyphs(monkeypatch):
    from driftwise.agents.few_shot import config
    from driftwise.envs import Glyphs

    monkeypatch.setitem(config.IMAGES, "glyphs", lambda: Glyphs(60))


def test_train_fewshot(run, few_glyphs, tmp_path):
    arguments = (*FEW_SHOT, "--runs", str(tmp_path), "--test-on", "glyphs")
    leaving, text = run(*arguments)
    assert leaving is None
    assert "validation 0." in text and "3 episodes" in text and "block4" in text
    folder = tmp_path / "glyphs-3way-1shot" / "sparse_maml-0"
    assert f"in {folder}" in text
    assert json.loads((folder / "report.json").read_text())["updates"] == 2
    assert list(folder.glob("events.out.tfevents.*"))
    assert "already holds a run" in run(*arguments, "--resume", "no")[0]
    assert "inner_steps" in run(*arguments, "--inner-steps", "3")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "elephant"], "method must be one of maml, anil"),
        (["--inner-lr", "0"], "inner_lr must be above 0, got 0.0"),
        (["--num-queries", "30"], "at most 20, all drawings of a class, got 1 + 30"),
        (["--images", "elephants"], "images must be one of omniglot, glyphs"),
        (["--inner-lr", "1e38"], "became NaN in step 2 of 5 of the inner loop"),
    ],
)
def test_errors_of_train_fewshot_are_one_line(run, few_glyphs, tmp_path, arguments, message):
    leaving, _ = run(*FEW_SHOT, "--method", "maml", "--runs", str(tmp_path), *arguments)
    assert leaving.startswith("driftwise train-fewshot: ") and message in leaving
    assert "\n" not in leaving


CONTINUAL = (
    *("run-continual", "--recipe", "glyphs", "--num-tasks", "2", "--samples-per-task", "20"),
    *("--learner-kwargs", '{"hidden_size": 8, "glances": 1}'),
)


def test_run_continual(run, tmp_path):
    arguments = (*CONTINUAL, "--runs", str(tmp_path))
    leaving, text = run(*arguments)
    assert leaving is None
    assert "2 tasks, 0." in text and "retained accuracy" in text and "forward transfer" in text
    folder = tmp_path / "glyphs-rotations" / "sparse_la_maml-0"
    assert f"4 steps; learner/, report.json, figures/, metrics.jsonl in {folder}" in text
    assert json.loads((folder / "report.json").read_text())["steps"] == 4
    assert "already holds a run" in run(*arguments, "--resume", "no")[0]
    assert "learner_kwargs" in run(*arguments, "--learner-kwargs", "{}")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learner", "elephant"], "learner must be one of er, c_maml, sync, la_maml"),
        (["--stream", "osaka"], "learner must be one of online_adam, maml"),
        (["--learner-kwargs", '{"inner_lr": 0}'], "inner_lr must be above 0, got 0"),
        (["--samples-per-task", "700"], "samples_per_task must be at most 600"),
    ],
)
def test_errors_of_run_continual_are_one_line(run, tmp_path, arguments, message):
    leaving, _ = run(*CONTINUAL, "--runs", str(tmp_path / "runs"), *arguments)
    assert leaving.startswith("driftwise run-continual: ") and message in leaving
    assert "\n" not in leaving
    assert not (tmp_path / "runs").exists()


def test_train_online_then_evaluate(run, tmp_path):
    worlds = ("--env-kwargs", '{"num_arms": 2, "max_episode_steps": 10}')
    small = ("--num-envs", "4", "--width", "4", "--adapt-every", "4", "--updates", "2")
    more = ("--test-worlds", "5", "--runs", str(tmp_path), "--no-progress")
    leaving, text = run("train-online", *worlds, *small, *more)
    assert leaving is None
    assert "regret a step" in text and "head.weight" in text and "2 updates" in text
    folder = str(tmp_path / "ShiftingBandit-v0" / "online-sparse-0")
    leaving, text = run("evaluate-agent", folder, *worlds, "--num-worlds", "10")
    assert leaving is None and "online-sparse-0" in text and "ucb1" in text
    leaving, text = run("train-online", "--env", "CartPole-v1", "--env-kwargs", "{}")
    assert leaving == 2 and "--hidden must be given with another --env: the entries" in text
    leaving, text = run("train-online", *small, "--method", "elephant")
    assert "method must be one of" in leaving
