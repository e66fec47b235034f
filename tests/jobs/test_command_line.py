"""Tests of the command line: the command that runs, the imports of its help, and answers to mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmark.jobs import command_line
from benchmark.jobs.command_line import COMMANDS, PROGRAM
from benchmark.jobs.renamed_keys import RENAMED
from benchmark.results.store import ResultsStore

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "import sys\nfrom benchmark.__main__ import door\nsys.exit(door())\n"
"""Content of the script that pip makes from the entry point in pyproject.toml."""
HEAVY = ("torch", "lightning", "transformers", "pandas", "scipy", "matplotlib")
OF_HYDRA = [name for name, command in COMMANDS.items() if command.takes_overrides]


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    """Write the console script, and return the command that runs it."""
    (tmp_path / PROGRAM).write_text(SCRIPT)
    return [sys.executable, str(tmp_path / PROGRAM)]


MODULE = [sys.executable, "-m", "benchmark"]


def said(command: list[str], *arguments: str, **environment: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    return ended.returncode, ended.stdout, ended.stderr


class Application:
    """Stand-in for the Hydra application, which records the command line that Hydra would read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["program", "untouched"])
        self.lines: list[list[str]] = []

    def __call__(self) -> None:
        self.lines.append(sys.argv[1:])


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    return Application(monkeypatch)


def test_the_bare_program_prints_every_command_with_an_example(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main([], application) == 2
    bare = capsys.readouterr()
    assert command_line.main(["--help"], application) == 0
    assert capsys.readouterr().out == bare.out and not bare.err and not application.lines
    for name, command in COMMANDS.items():
        assert f"  {PROGRAM} {name} {command.example}\n" in bare.out and command.summary in bare.out


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not command.has_default])
def test_a_command_that_needs_arguments_prints_its_example(
    name: str, application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main([name], application) == 2
    assert f"  {PROGRAM} {name} {COMMANDS[name].example}\n" in capsys.readouterr().out
    assert not application.lines


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("run", "--run"),
        ("run tokenizer=mimi", "tokenizer=mimi"),
        ("sweep seed=0,1", "--multirun seed=0,1"),
        ("tokenizer=mimi task=speed", "tokenizer=mimi task=speed"),
        ("-m seed=0,1", "-m seed=0,1"),
        ("--cfg job", "--cfg job"),
        ("--config-dir . tokenizer=mine", "--config-dir . tokenizer=mine"),
        ("+tokenizer.size_mb=3", "+tokenizer.size_mb=3"),
        ("~logger", "~logger"),
        ("run --help", "--help"),
    ],
)
def test_what_hydra_reads(typed: str, read: str, application: Application) -> None:
    assert command_line.main(typed.split(), application) == 0
    assert application.lines == [read.split()]


def test_an_unknown_command_is_answered_in_a_line(
    application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["statsu", "experiment=mini"], application) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'statsu'" in line and "Did you mean 'status'?" in line and "catalogue, check, compare" in line
    assert not application.lines


@pytest.mark.parametrize("name", ["", *OF_HYDRA])
@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_answered_with_the_new_one(
    name: str, old: str, new: str, application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    for sign in ("", "+", "++"):
        typed = [*([name] if name else []), "task=asr_probe", f"{sign}{old}=1/4"]
        assert command_line.main(typed, application) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert old in line and f"write {new}=1/4" in line
    assert not application.lines


@pytest.mark.parametrize("name", ["", *OF_HYDRA])
def test_a_divided_name_is_answered_with_both_new_ones(
    name: str, application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main([*([name] if name else []), "task=asr_probe", "threads=8"], application) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "threads=8: threads is divided now" in line
    assert "workers (processes" in line and "trainer.threads (of a training" in line
    assert not application.lines


@pytest.mark.parametrize("name", ["", *OF_HYDRA])
def test_a_metric_that_has_moved_is_answered_with_its_place(
    name: str, application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [*([name] if name else []), "metric=[survey,versa_pesq,dnsmos_sig]"]
    assert command_line.main(typed, application) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "versa_pesq is chosen as versa/pesq now" in line
    assert "write metric=[survey,versa/pesq,dnsmos/sig]" in line
    assert not application.lines


def test_an_old_name_in_a_yaml_is_answered_too(
    tmp_path: Path, application: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nusual_probe: mini\n")
    for name in ("plan", "doctor"):
        line = [name, "--config-dir", str(tmp_path), "experiment=mine", "task=codebook_usage"]
        assert command_line.main(line, application) == 1
        assert capsys.readouterr().err.startswith("error: config: usual_probe is called default_probe now")


@pytest.mark.parametrize("name", ["", *OF_HYDRA])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: x\n  levels: 4\n", "line 2, column 9: mapping values are not allowed here"),
        (b'name: "x\n', "line 2, column 1: found unexpected end of stream"),
        (b"name: \xff\n", "is not text in UTF-8"),
        (None, "cannot be read: No such file or directory. Mend or remove it"),
    ],
    ids=["indentation", "quote", "bytes", "link to nowhere"],
)
def test_a_yaml_with_broken_syntax_is_answered_with_its_line(
    name: str, content: bytes | None, words: str, tmp_path: Path, application: Application, capsys
) -> None:
    (tmp_path / "tokenizer").mkdir()
    mine = tmp_path / "tokenizer" / "mine.yaml"
    mine.symlink_to("nowhere") if content is None else mine.write_bytes(content)
    (tmp_path / "notes.yaml").write_text("a folder beside: [may hold anything")
    for folder in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"], ["-cd", str(tmp_path)]):
        assert command_line.main([*([name] if name else []), *folder, "tokenizer=mine"], application) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "tokenizer/mine.yaml" in line and words in line
    assert not application.lines


def test_help_is_printed_without_the_models_libraries(tmp_path: Path) -> None:
    program = tmp_path / "every_help.py"
    program.write_text(
        "import contextlib, sys\n"
        "from benchmark.__main__ import main as application\n"
        "from benchmark.jobs import command_line\n"
        "assert command_line.main(['--help'], application) == 0\n"
        f"for name in {[name for name in COMMANDS if name not in command_line.APPLICATION]}:\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        command_line.main([name, '--help'], application)\n"
        "        raise AssertionError(name)\n"
        f"    assert not set({HEAVY}) & sys.modules.keys(), name\n"
        f"sys.argv = ['{PROGRAM}', 'run', '--help']\n"
        "with contextlib.suppress(SystemExit):\n"
        "    command_line.main(sys.argv[1:], application)\n"
        f"assert not set({HEAVY}) & sys.modules.keys(), 'run'\n"
    )
    status, out, err = said([sys.executable], str(program))
    assert status == 0, err[-2000:]
    for name in COMMANDS:
        assert f"{PROGRAM} {name}" in out
    groups = out.partition("Groups, each set by group=option")[2]
    assert "mel_rvq" in groups and "codebook_usage" in groups and "hydra" not in groups.split("--cfg")[0]


def test_the_script_and_the_module_say_the_same(script: list[str], tmp_path: Path) -> None:
    here = {"CACHE": str(tmp_path / "cache"), "RESULTS": str(tmp_path / "results")}
    for line in ("tokenizer=mimi --cfg job", "sweep task=nonsense", "report /no/such/folder"):
        by_script, by_module = (said(command, *line.split(), **here) for command in (script, MODULE))
        assert by_script == by_module, line
        assert (by_script[0] == 0) == ("--cfg" in line) and "Traceback" not in by_script[2]
    assert not (tmp_path / "cache").exists()


def test_the_shell_completes_commands_and_overrides(script: list[str]) -> None:
    def offered(line: str) -> set[str]:
        status, out, err = said(script, "-sc", "query=bash", COMP_LINE=line)
        assert status == 0, err
        return set(out.split())

    assert offered(f"{PROGRAM} sta") == {"status", "stage="}
    assert offered(f"{PROGRAM} sweep tokenizer=whisper_k") == {"tokenizer=whisper_kmeans"}
    assert offered(f"{PROGRAM} tokenizer=whisper_k") == {"tokenizer=whisper_kmeans"}
    assert offered(f"{PROGRAM} compare mel") == set()
    assert PROGRAM in said(script, "-sc", "install=bash")[1].splitlines()[-1]


@pytest.fixture
def usage(tmp_path: Path) -> list[str]:
    """Return the arguments of a code-only job on a corpus of four clips, which trains nothing."""
    rng = np.random.default_rng(0)
    lines = ["audio_path,speaker_id,split"]
    for number in range(4):
        soundfile.write(str(tmp_path / f"{number}.wav"), 0.1 * rng.standard_normal(9000), 16_000)
        lines.append(f"{number}.wav,s{number % 2},{'train' if number < 2 else 'test'}")
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")
    return [
        *(
            "dataset=custom",
            f"manifest={tmp_path / 'my.csv'}",
            "task=codebook_usage",
            "tokenizer=mfcc_kmeans",
        ),
        *("tokenizer.codebook_size=8", "trainer.progress_bar=false"),
    ]


def test_a_job_that_trains_nothing_does_without_lightning(usage: list[str], tmp_path: Path) -> None:
    """Lightning takes longer to import than all else together."""
    without = tmp_path / "without.py"
    without.write_text(SCRIPT.replace("import sys\n", "import sys\nsys.modules['lightning'] = None\n"))
    place = {"CACHE": str(tmp_path / "cache"), "RESULTS": str(tmp_path / "results")}
    for line in ([*usage, f"hydra.run.dir={tmp_path}/run"], ["plan", *usage], ["status", *usage]):
        status, out, err = said([sys.executable, str(without)], *line, **place)
        assert status == 0, out[-2000:] + err[-2000:]


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_other_processes_run_the_jobs_of_the_script(
    launcher: str, script: list[str], usage: list[str], tmp_path: Path
) -> None:
    if launcher == "submitit_local":
        pytest.importorskip("submitit")
    status, out, err = said(
        script,
        *("sweep", *usage, "seed=0,1", f"hydra/launcher={launcher}", f"hydra.sweep.dir={tmp_path}/sweep"),
        CACHE=str(tmp_path / "cache"),
        RESULTS=str(tmp_path / "results"),
    )
    assert status == 0, out[-2000:] + err[-2000:]
    assert "2 jobs: 2 done" in err
    rows = ResultsStore(tmp_path / "results" / "mini").rows()
    assert {row.seed for row in rows if row.metric == "entropy" and row.status == "ok"} == {0, 1}
    assert [path.name for path in (tmp_path / "sweep" / "0").glob("*.log")] == ["benchmark.log"]
