"""Fixtures of recordings, small corpora in their published layouts, and a file server."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile


def tone(seconds: float, rate: int = 16_000, frequency: float = 220.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def write_tone() -> Callable[..., Path]:
    def write(path: Path, seconds: float = 0.5, rate: int = 16_000, frequency: float = 220.0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(str(path), tone(seconds, rate, frequency), rate)
        return path

    return write


@pytest.fixture
def librispeech_tree(tmp_path: Path, write_tone: Callable[..., Path]) -> Path:
    """Four train speakers (two women, two men) and one test speaker, with two utterances each."""
    root = tmp_path / "corpora" / "LibriSpeech"
    rows = ["; a comment line", ";ID  |SEX| SUBSET | MINUTES | NAME"]
    for subset, speakers in (("train-clean-100", (101, 102, 103, 104)), ("test-other", (201,))):
        for speaker in speakers:
            rows.append(f"{speaker:<5}| {'FM'[speaker % 2]} | {subset} | 25.19 | Some Reader")
            folder = root / subset / str(speaker) / "7"
            for number in range(2):
                write_tone(folder / f"{speaker}-7-{number:04d}.flac", 0.5 + number, frequency=speaker)
            lines = [f"{speaker}-7-{number:04d} HELLO SPEAKER'S WORDS {number}" for number in range(2)]
            (folder / f"{speaker}-7.trans.txt").write_text("\n".join(lines) + "\n")
    (root / "SPEAKERS.TXT").write_text("\n".join(rows) + "\n")
    return root


def slurp_row(slurp_id: int, sentence: str, intent: str, scenario: str, action: str, files: list[str]) -> str:
    recordings = [{"file": file, "wer": 0.0, "ent_wer": 0.0, "status": "correct"} for file in files]
    return json.dumps(
        {
            "slurp_id": slurp_id,
            "sentence": sentence,
            "sentence_annotation": sentence,
            "intent": intent,
            "action": action,
            "tokens": [],
            "scenario": scenario,
            "recordings": recordings,
            "entities": [],
        }
    )


@pytest.fixture
def slurp_tree(tmp_path: Path, write_tone: Callable[..., Path]) -> Path:
    """Three train sentences; one has two speakers with two microphones each, one a bare intent."""
    root = tmp_path / "slurp"
    folder = root / "dataset" / "slurp"
    folder.mkdir(parents=True)
    pair = ["audio-11.flac", "audio-11-headset.flac", "audio-22-headset.flac", "audio-22.flac"]
    (folder / "train.jsonl").write_text(
        slurp_row(7, "Wake me up at eight o'clock", "alarm_set", "alarm", "set", pair)
        + "\n"
        + slurp_row(12, "will it rain", "query", "weather", "query", ["audio-33.flac"])
        + "\n"
        + slurp_row(300, "", "play_music", "play", "music", ["audio-44-headset.flac"])
        + "\n"
    )
    for split in ("devel", "test"):
        row = slurp_row(400, "stop", "audio_volume_mute", "audio", "volume_mute", ["audio-55.flac"])
        (folder / f"{split}.jsonl").write_text(row + "\n")
    users = {
        "7": {"audio-11.flac": "FO-460", "audio-11-headset.flac": "FO-460", "audio-22-headset.flac": "ME-3"},
        "12": {"audio-33.flac": "UNK-323"},
    }
    metadata = {
        sid: {"recordings": {file: {"usrid": user} for file, user in files.items()}}
        for sid, files in users.items()
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    for file in (*pair, "audio-33.flac", "audio-44-headset.flac", "audio-55.flac"):
        write_tone(root / "audio" / "slurp_real" / file)
    return root


@pytest.fixture
def slurp_synth_tree(slurp_tree: Path, write_tone: Callable[..., Path]) -> Path:
    """`slurp_tree` with two synthetic sentences, one of them named like a real recording."""
    rows = [
        slurp_row(7, "wake me at eight", "alarm_set", "alarm", "set", ["audio-11.flac", "audio-61.flac"]),
        slurp_row(900, "is it cold", "query", "weather", "query", ["audio-62.flac"]),
    ]
    (slurp_tree / "dataset" / "slurp" / "train_synthetic.jsonl").write_text("\n".join(rows) + "\n")
    for file in ("audio-11", "audio-61", "audio-62"):
        write_tone(slurp_tree / "audio" / "slurp_synth" / f"{file}.flac", 0.75)
    return slurp_tree


class FileServer:
    """A server of a folder on loopback, whose fields set its faults."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ranges = True
        """True to support ranges, False to always send the whole file."""
        self.drops: list[int] = []
        """Bytes after which each of the next longer responses breaks off."""
        self.refusals: list[int] = []
        """Status codes of the next responses."""
        self.stalls_at: int | None = None
        """Bytes after which the server stops sending and waits."""
        self.asked: list[tuple[str, str | None]] = []
        """File and range of every request."""
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, asked = request.path.lstrip("/"), request.headers.get("Range")
        self.asked.append((name, asked))
        if name.startswith("moved/"):
            request.send_response(302)
            request.send_header("Location", self.url + name.removeprefix("moved/"))
            request.end_headers()
            return
        path = self.folder / name
        if self.refusals or not path.is_file():
            request.send_error(self.refusals.pop(0) if self.refusals else 404)
            return
        content = path.read_bytes()
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if first and first >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.end_headers()
            return
        request.send_response(206 if first else 200)
        request.send_header("Content-Length", str(len(content) - first))
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        content = content[first:]
        if self.drops and self.drops[0] < len(content):
            content = content[: self.drops.pop(0)]
        request.wfile.write(content[: self.stalls_at])
        if self.stalls_at is not None:
            request.wfile.flush()
            self.released.wait(30)


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[FileServer]:
    """A server of the empty folder `served`."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = FileServer(folder)
    yield server
    server.released.set()
    server.http.shutdown()
    server.http.server_close()
