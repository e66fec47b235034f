import subprocess

import numpy
import pytest

from benchmark.results.provenance import git_commit, versions


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """Make two checkouts in the same state: answers are cached per folder, so each is asked once."""
    for name in ("a", "b", "c"):
        folder = tmp_path / name
        (folder / "results").mkdir(parents=True)
        git(folder, "init", "-q")
        (folder / "code.py").write_text("one\n")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "first")
    return tmp_path


def test_commit_of_a_clean_checkout_with_new_results(checkout):
    (checkout / "a" / "results" / "rows.jsonl").write_text("{}\n")
    assert git_commit(checkout / "a") == git(checkout / "a", "rev-parse", "HEAD")


def test_changed_or_new_code_is_dirty(checkout):
    (checkout / "b" / "code.py").write_text("two\n")
    (checkout / "c" / "new.py").write_text("new\n")
    assert git_commit(checkout / "b") == git(checkout / "b", "rev-parse", "HEAD") + "+dirty"
    assert git_commit(checkout / "c") == git(checkout / "c", "rev-parse", "HEAD") + "+dirty"


def test_no_commit_outside_a_checkout_or_below_anothers(checkout, tmp_path_factory):
    assert git_commit(tmp_path_factory.mktemp("plain")) is None
    installed = checkout / "a" / "site-packages"
    installed.mkdir()
    assert git_commit(installed) is None
    empty = tmp_path_factory.mktemp("empty")
    git(empty, "init", "-q")
    assert git_commit(empty) is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_commit(checkout / "a") is None


def test_versions_are_those_in_use():
    found = versions()
    assert found["numpy"] == numpy.__version__
    assert next(iter(found)) == "python"
    found.clear()
    assert versions()
