"""Commands leave the checkout as it was committed, and sheets are written only on request."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import conformance_table, update_readme

ROOT = Path(__file__).resolve().parents[2]
JOB = (
    *(
        "profile=mini",
        "tokenizer=mfcc_kmeans",
        "tokenizer.codebook_size=32",
        "task=codebook_usage",
        "limit=6",
    ),
    *("dataset.train_utterances=36", "dataset.dev_utterances=12", "dataset.test_utterances=12"),
)
"""A run of a few seconds that fills the cache and the results folder."""
WRITTEN = (
    "results/mini/rows.jsonl",
    "results/mini/report.html",
    "results/probing/tables/probing.md",
    "results/measurements/scale.md",
    ".cache/tokens",
    "outputs/now",
    "multirun/now",
)
KEPT = (
    "results/reference/mini/rows.jsonl",
    "results/reference/mini/report.html",
    "results/reference/probing/tables/probing.md",
    "docs/reference/metrics.md",
    "docs/measurements/scale.md",
)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own, with one commit: what this working tree would commit."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no Git checkout")
    folder = tmp_path_factory.mktemp("checkout")
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (ROOT / name).is_file():  # not one that was deleted a moment ago
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=all")
    assert git(folder, "status", "--porcelain") == ""
    return folder


def environment(checkout: Path) -> dict[str, str]:
    """That of a user who has set no folder."""
    moved = {"RESULTS", "CACHE", "OUT", "PROFILE", "MAKEFLAGS", "MFLAGS"}
    return {name: value for name, value in os.environ.items() if name not in moved} | {
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
    }


def make(checkout: Path, *arguments: str) -> str:
    """The output of make, with this environment for the one that the Makefile would set up."""
    if shutil.which("make") is None:
        pytest.skip("there is no make here")
    ready = [f"--old-file={sys.prefix}/{name}" for name in (".ready", ".zoo", ".cluster")]
    ended = subprocess.run(
        [
            "make",
            f"VENV={sys.prefix}",
            f"RUN={sys.executable}",
            *ready,
            "--old-file=.peers/.ready",
            *arguments,
        ],
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.timeout(600)
def test_a_run_and_its_tables_leave_the_checkout_clean(checkout: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmark", *JOB, "trainer.progress_bar=false"],
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    make(checkout, "tables")
    assert (checkout / "results/mini/tables/codebook_usage.md").is_file()
    assert list((checkout / ".cache").iterdir())
    assert git(checkout, "status", "--porcelain") == ""


def test_make_tokenizers_and_make_metrics_only_print(checkout: Path) -> None:
    """Tests of the catalogues run the commands; without --out they write nothing."""
    commands = make(checkout, "--dry-run", "tokenizers", "metrics")
    assert "catalogue tokenizers" in commands and "catalogue metrics" in commands and "--out" not in commands


def test_make_bench_and_make_test_conformance_write_where_git_does_not_look(checkout: Path) -> None:
    pages = re.findall(r"--out (\S+)", make(checkout, "--dry-run", "bench"))
    assert len(pages) >= 6
    assert git(checkout, "check-ignore", *pages).split() == pages
    assert "--out" not in make(checkout, "--dry-run", "test-conformance")
    assert "--out sheet.md" in make(checkout, "--dry-run", "test-conformance", "OUT=sheet.md")


def test_the_reference_is_kept_and_what_runs_write_is_not(checkout: Path) -> None:
    ignored = git(checkout, "check-ignore", "--no-index", *WRITTEN).split()
    assert ignored == list(WRITTEN)
    found = subprocess.run(["git", "check-ignore", "--no-index", *KEPT], cwd=checkout, capture_output=True)
    assert found.stdout == b"" and found.returncode == 1


def test_the_table_of_the_readme_is_that_of_the_reference() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.split(update_readme.BEGIN)[1].split(update_readme.END)[0].strip()
    assert table == update_readme.compact_table(), "run `python -m scripts.update_readme` and commit the file"


def test_links_of_pages_outside_the_site_lead_somewhere() -> None:
    """Moved sheets leave no link behind; `make docs` checks the links inside docs/."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


def test_the_table_of_codes_is_printed_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"tokenizer": "a", "peer": "b 1", "utterances": 2, "compared": 30, "different": 0, "note": "x|y"}
    rows, page = tmp_path / "rows", tmp_path / "page.md"
    rows.write_text(json.dumps(row) + "\n")
    monkeypatch.chdir(tmp_path)
    assert conformance_table.main([str(rows)]) == 0
    printed = capsys.readouterr().out
    assert "| a | b 1 | 2 | 30 | 0 | x\\|y |" in printed and {p.name for p in tmp_path.iterdir()} == {"rows"}
    assert conformance_table.main([str(rows), "--out", str(page)]) == 0
    assert page.read_text(encoding="utf-8") in printed and "1 comparisons" in capsys.readouterr().out
    assert conformance_table.main([str(tmp_path / "none")]) == 1
    assert "no test compared codes" in capsys.readouterr().err
