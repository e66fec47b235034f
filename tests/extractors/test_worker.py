"""Tests of models in another Python, by real processes that print, crash, hang and raise."""

import gc
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.other_python.child import Child
from benchmark.extractors.other_python.environment import Environment
from benchmark.extractors.other_python.process import Program
from benchmark.extractors.other_python.serve import ProtocolError, read_message, write_message
from benchmark.extractors.other_python.worker import MOST_FAILURES, Worker

SCRIPT = """
import os, signal, subprocess, sys, time
import numpy as np

def load(folder="", noisy=False, **marks):
    with open(os.path.join(folder, "starts"), "a") as starts:
        starts.write(f"{os.getpid()}\\n")
    if noisy:
        print("loading", sys.stdin.read())
        os.write(1, b"from below Python")
        os.system("echo from a shell")

    def answer(clip):
        first = float(clip.flat[0])
        if noisy:
            print("working", end="\\r", flush=True)
        if first == marks.get("spawn"):
            child = subprocess.Popen(["sleep", "3600"])
            with open(folder + "/children", "a") as children:
                children.write(f"{child.pid}\\n")
        if first == marks.get("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if first == marks.get("crash_once") and not os.path.exists(folder + "/crashed"):
            open(folder + "/crashed", "w").close()
            sys.stderr.write("out of\\nmemory\\n")
            os._exit(3)
        if first == marks.get("hang"):
            time.sleep(3600)
        if first == marks.get("noise"):
            for descriptor in range(3, 20):  # whichever the answers take
                try:
                    os.write(descriptor, b"noise on the line")
                except OSError:
                    pass
        if first == marks.get("refuse"):
            raise ValueError("no such\\nclip")
        return 2 * clip if clip.ndim == 2 else f"{clip.dtype} {first:g}"

    def model(clips):
        return [answer(clip) for clip in clips][marks.get("lost", 0):]

    return model
"""
Make = Callable[..., Worker]


def wav(first: float, length: int = 5) -> np.ndarray:
    """A clip that the script knows by its first sample."""
    return np.full(length, first, np.float32)


def starts(folder: Path, what: str = "starts") -> list[int]:
    """Process numbers of every start of the script, or of the children that the script started."""
    return [int(line) for line in (folder / what).read_text().split()]


def is_alive(pid: int) -> bool:
    """True if a process runs, which a zombie does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int, seconds: float = 10.0) -> bool:
    """Wait for the end of a process."""
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_alive(pid)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    script = tmp_path / "model.py"
    script.write_text(SCRIPT)
    workers: list[Worker] = []

    def build(timeout: float = 60.0, **marks: float) -> Worker:
        settings = {"folder": str(tmp_path), **marks}
        program = Program(
            name="test model",
            python=sys.executable,
            script=script,
            settings=settings,
            timeout=timeout,
            timeout_setting="asr.timeout",
        )
        workers.append(Worker(program))
        return workers[-1]

    yield build
    for worker in workers:
        worker.close()


def test_arrays_and_texts_travel_whole_past_whatever_a_library_prints(make: Make) -> None:
    worker = make(noisy=True)
    samples = np.random.default_rng(0).normal(size=(3, 100_000)).astype(np.float32)
    codes = np.arange(8, dtype=np.int64).reshape(2, 4)[:, ::2] - 2**40
    found = worker([samples, wav(7), codes, wav(1)])
    for sent, back in ((samples, found[0]), (codes, found[2])):
        assert isinstance(back, np.ndarray) and back.dtype == sent.dtype
        np.testing.assert_array_equal(back, 2 * sent)
    assert found[1] == "float32 7" and found[3] == "float32 1"
    with pytest.raises(TypeError, match="float32 or int64, not float64"):
        worker([np.zeros(3)])


def test_one_poisonous_clip_costs_no_other_clip(make: Make, tmp_path: Path) -> None:
    worker = make(crash=2)
    found = worker([wav(1), wav(2), wav(3), wav(4)])
    assert [answer for answer in found if not isinstance(answer, AudioError)] == [
        "float32 1",
        "float32 3",
        "float32 4",
    ]
    assert isinstance(found[1], AudioError) and "test model: died (SIGSEGV" in str(found[1])
    # The batch twice, then the clips one by one: before and after the crash.
    assert len(set(starts(tmp_path))) == 4
    assert worker([wav(5)]) == ["float32 5"] and len(starts(tmp_path)) == 4
    [again] = worker([wav(2)])
    assert isinstance(again, AudioError)


def test_a_crash_that_does_not_come_back_costs_nothing(make: Make, tmp_path: Path) -> None:
    worker = make(crash_once=2)
    assert worker([wav(1), wav(2)]) == ["float32 1", "float32 2"]
    assert len(starts(tmp_path)) == 2


def test_a_clip_that_hangs_stops_the_job_instead_of_failing(make: Make, tmp_path: Path) -> None:
    worker = make(timeout=1.0, hang=2)
    with pytest.raises(UserError, match=r"took more than 1 s for one clip: raise asr\.timeout, or"):
        worker([wav(2), wav(3)])
    assert len(starts(tmp_path)) == 3  # the batch twice, and the clip alone
    assert not any(is_alive(pid) for pid in starts(tmp_path))


@pytest.mark.parametrize(
    ("mark", "reason"), [("refuse", "ValueError: no such clip"), ("noise", "broke the protocol: expected")]
)
def test_an_exception_and_noise_are_the_clips_failure_and_end_the_process(
    make: Make, tmp_path: Path, mark: str, reason: str
) -> None:
    worker = make(**{mark: 2})
    found = worker([wav(1), wav(2), wav(3)])
    assert found[0] == "float32 1" and found[2] == "float32 3"
    assert isinstance(found[1], AudioError) and str(found[1]).startswith(f"test model: {reason}")
    assert len(starts(tmp_path)) == 4  # the batch twice, then the clips: before and after the mishap
    assert not any(is_alive(pid) for pid in starts(tmp_path)[:-1])


@pytest.mark.parametrize("how", ["crash", "hang", "close"])
def test_grandchildren_end_with_the_process(make: Make, tmp_path: Path, how: str) -> None:
    worker = make(timeout=60.0 if how == "close" else 1.0, spawn=2, **{how: 2})
    if how == "close":
        assert worker([wav(2)]) == ["float32 2"]
        assert is_alive(*starts(tmp_path, "children"))
        worker.close()
    elif how == "crash":
        assert "SIGSEGV" in str(worker([wav(2)])[0])
    else:
        with pytest.raises(UserError, match="took more than 1 s"):
            worker([wav(2)])
    children = starts(tmp_path, "children")
    assert len(children) == (1 if how == "close" else 2)
    assert all(wait_until_gone(pid) for pid in children)


def test_a_number_that_was_reaped_is_not_killed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child([sys.executable, "-c", "raise SystemExit(3)"])
    assert child.end(10.0) == 3
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("killed a group that may be another's"))
    assert child.kill() == child.end(1.0) == 3
    child.close(1.0)


def test_a_model_that_loses_clips_is_not_believed(make: Make) -> None:
    found = make(lost=1)([wav(1), wav(2)])
    assert all("0 answers to 1 clips" in str(answer) for answer in found)


def test_a_program_that_always_fails_is_given_up_with_its_last_words(make: Make) -> None:
    worker = make(refuse=2, crash=3)
    most = MOST_FAILURES - 1
    found = worker([wav(3), *[wav(2)] * (most - 1), wav(1)])  # a clip with an answer starts a new count
    assert [isinstance(answer, AudioError) for answer in found] == [*[True] * most, False]
    with pytest.raises(UserError, match=f"fails on {MOST_FAILURES} clips in a row, the last .*no such clip"):
        worker([wav(3), *[wav(2)] * most, wav(1)])


def test_a_process_ends_with_its_worker(make: Make, tmp_path: Path) -> None:
    worker = make()
    [pid] = starts(tmp_path)
    assert is_alive(pid)
    worker.close()
    assert not is_alive(pid)
    assert worker([wav(1)]) == ["float32 1"]  # by another one
    other = starts(tmp_path)[-1]
    lone = Worker(worker.program)
    third = starts(tmp_path)[-1]
    del lone
    gc.collect()
    assert wait_until_gone(third) and is_alive(other)


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_no_orphan_outlives_a_parent(tmp_path: Path, how: str) -> None:
    (tmp_path / "model.py").write_text(SCRIPT)
    code = f"""
import sys, threading, numpy as np
from pathlib import Path
from benchmark.extractors.other_python.process import Program
from benchmark.extractors.other_python.worker import Worker
worker = Worker(Program(name="m", python=sys.executable, script=Path({str(tmp_path / "model.py")!r}),
                        settings={{"folder": {str(tmp_path)!r}, "hang": 2}}))
print("ready", flush=True)
if {how!r} == "kill":
    worker([np.full(3, 2, np.float32)])  # hangs
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
    [pid] = starts(tmp_path)
    if how == "kill":
        time.sleep(0.3)
        assert is_alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
    parent.wait(60)
    parent.stdout.close()
    assert wait_until_gone(pid)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import no_such_package", "cannot be loaded by .*No module named 'no_such_package'"),
        ("def load():\n    raise SystemExit('licence\\nrefused')", "SystemExit: licence refused"),
        (
            "def load():\n    import os; os.write(2, b'a\\nlast words'); os._exit(4)",
            r"exit status 4, last words",
        ),
        ("def load():\n    import time; time.sleep(60)", "did not start: took more than 2 s"),
        ("", "has no attribute 'load'"),
    ],
)
def test_a_program_that_cannot_start_says_why_in_a_line(tmp_path: Path, script: str, words: str) -> None:
    (tmp_path / "model.py").write_text(script)
    with pytest.raises(UserError, match=words) as caught:
        seconds = 2.0 if "sleep" in script else 60.0
        program = Program(
            name="m", python=sys.executable, script=tmp_path / "model.py", start_timeout=seconds
        )
        Worker(program)
    assert "\n" not in str(caught.value)


def test_another_program_in_place_of_python_is_told_apart(tmp_path: Path) -> None:
    impostor = tmp_path / "python"
    impostor.write_text("#!/bin/sh\necho stb2 is another protocol\nsleep 60\n")
    impostor.chmod(0o755)
    with pytest.raises(UserError, match=r"did not start: broke the protocol: expected .*stb1.*not b'stb2'"):
        Worker(Program(name="m", python=str(impostor), script=tmp_path / "model.py"))
    with pytest.raises(UserError, match="/no/python cannot be started: No such file"):
        Worker(Program(name="m", python="/no/python", script=tmp_path / "model.py"))
    for seconds in (0, -1.0, float("nan"), float("inf"), "600"):
        with pytest.raises(UserError, match=rf"timeout={seconds} is no time limit; legal: seconds above 0"):
            Program(name="m", python="", script=tmp_path, timeout=seconds)  # type: ignore[arg-type]


def test_a_message_is_read_as_it_was_written_or_not_at_all() -> None:
    stream = io.BytesIO()
    write_message(stream, {"text": "é\n"}, [wav(1), np.zeros((0, 2), np.int64)])
    content = stream.getvalue()
    header, arrays = read_message(io.BytesIO(content))
    assert header == {"text": "é\n"}
    assert [array.shape for array in arrays] == [(5,), (0, 2)] and arrays[1].dtype == np.int64
    for end in (0, 3, 9, len(content) - 1):
        with pytest.raises(EOFError):
            read_message(io.BytesIO(content[:end]))
    with pytest.raises(ProtocolError, match="not b'Load'"):
        read_message(io.BytesIO(b"Loading the model"))


def environment(**other: str | None) -> Environment:
    """An environment that holds NumPy, unless fields are changed."""
    fields = {"python": sys.executable, "setting": "asr.python", "module": "numpy", "package": "numpy"}
    return Environment(**{**fields, "least": "1.0", **other})  # type: ignore[arg-type]


def test_an_environment_is_looked_into_without_importing(tmp_path: Path) -> None:
    assert environment().version == np.__version__ == environment(python=None).version
    for other, words in (
        ({"python": "/no/python"}, "asr.python=/no/python is no Python that runs"),
        ({"python": "/bin/false"}, "asr.python=/bin/false is no Python that runs"),
        ({"python": "/bin/echo"}, "asr.python=/bin/echo is no Python that runs"),
        ({"module": "nope", "package": "nope-tool", "extra": "asr"}, "has no package nope-tool"),
        ({"least": "999"}, f"numpy {np.__version__}, at least 999 is needed"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            _ = environment(**other).version
        assert "_env/bin/pip install" in str(caught.value) and "\n" not in str(caught.value)
