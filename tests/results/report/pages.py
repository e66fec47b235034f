"""Helpers of the page's tests: a small benchmark with sound and hostile texts, and a browser."""

import io
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.content import CodeFacts, Content
from benchmark.results.report.formats import to_csv, to_latex, to_markdown
from benchmark.results.report.grid import make_grid
from benchmark.results.report.page import make_page
from benchmark.results.report.tables import make_tables
from benchmark.storage.hashing import file_name

HOSTILE = [
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "<!--<script>",
    "'; window.hacked = 1; //",
    "../../../etc/passwd",
    r"\input{/etc/passwd} $x_1^2$ 100 % #&~",
    "javascript:window.hacked=1",
    "{{ 7 * 7 }} {% raw %}",
    "\u2028a\u2029b",
]
CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))


def wav(seconds: float, pitch: float) -> bytes:
    content = io.BytesIO()
    times = np.arange(int(16000 * seconds)) / 16000
    soundfile.write(content, 0.3 * np.sin(2 * np.pi * pitch * times), 16000, "PCM_16", format="WAV")
    return content.getvalue()


def small_benchmark(make_row: Callable, folder: Path) -> tuple[list, Callable]:
    """Write results of two tokenizers with every kind of problem; three of their four utterances
    have sound.
    """
    hostile = {
        "definition": HOSTILE[0],
        "decoder": HOSTILE[1],
        "device": HOSTILE[2],
        "git_commit": HOSTILE[3],
        "versions": {HOSTILE[4]: HOSTILE[5]},
        "interval": HOSTILE[7],
    }
    shown = {"label": HOSTILE[1], "unit": HOSTILE[5], "higher_is_better": False, "decimals": 1, "place": 0}
    rows = []
    for place, tokenizer in enumerate(("mel_rvq", "whisper_kmeans")):
        facts = {"tokenizer": tokenizer, "bitrate": 400.0 * (1 + place), **hostile}
        rows += [
            make_row(metric="wer", value=10.0 + place, lo=8.0, hi=13.0, display=shown, **facts),
            make_row(metric="pesq", value=2.0 - place, n_failed=1, n_scored=3, reason=HOSTILE[0], **facts),
            make_row(task="asr_probe", metric="probe_wer", value=30.0 + place, lo=20.0, hi=40.0, **facts),
            make_row(task="codebook_usage", metric="perplexity", value=3.0, **facts),
        ]
    rows.append(
        make_row(tokenizer="mimi", metric="wer", value=None, status="failed", reason=HOSTILE[1], **hostile)
    )
    names = [*HOSTILE[:3], "plain-0001"]
    for row in rows:
        if row.task != "reconstruction" or row.tokenizer == "mimi":
            continue
        audio = folder / "audio" / f"reconstruction__{row.tokenizer}__synthetic__seed0"
        audio.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names[1:]):
            pitches = {"source": 200.0, "reconstructed": 300.0 if row.tokenizer == "mel_rvq" else 400.0}
            for role, pitch in pitches.items():
                (audio / f"{file_name(name)}_{role}.wav").write_bytes(wav(0.5 + 0.1 * number, pitch))

    def utterances(row):
        if row.task == "codebook_usage" or row.tokenizer == "mimi":
            return pd.DataFrame()
        frame = pd.DataFrame({"utterance_id": names, "speaker_id": HOSTILE[4], "reference": HOSTILE[:4]})
        if row.task == "asr_probe":
            return frame.assign(hypothesis=HOSTILE[4:8], words_wrong=[0.0, 1.0, 2.0, 3.0], words=4.0)
        failures = [None, None, None, HOSTILE[0]]
        return frame.assign(wer=[5.0, 0.0, 50.0, np.nan], pesq=[1.0, 2.0, 3.0, np.nan], failure=failures)

    return rows, utterances


def page_of(rows, folder, utterances, usage=({}, {}), curves=None, reductions=None):
    tables, _ = make_tables(rows)
    grids = {name: make_grid(table, hold_contest(table, utterances)) for name, table in tables.items()}
    files = {
        name: {"csv": to_csv(table), "md": to_markdown(grids[name]), "tex": to_latex(grids[name])}
        for name, table in tables.items()
    }
    codes = CodeFacts(*usage, curves or {}, reductions or {})
    return make_page(folder, Content(rows, utterances, tables, grids, files, codes=codes))


def browser(width: int = 1280, height: int = 900, dark: bool = False):
    """Start a headless Chromium that makes no requests by itself."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    folder = tempfile.mkdtemp(prefix="page-", dir=os.environ.get("TMPDIR"))
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "mute-audio",
        "autoplay-policy=no-user-gesture-required",
        f"user-data-dir={folder}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(120)
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    return driver, folder
