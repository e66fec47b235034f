"""Notes below a table about tokenizers themselves: the rate that they heard, and bitrates of whole bits."""

from collections.abc import Callable

from benchmark.results.report.grid import make_grid
from benchmark.results.report.tables import make_table
from benchmark.results.row import Row


def notes(*rows: Row) -> str:
    return "\n".join(make_grid(make_table("reconstruction", list(rows))).notes)


def test_tokenizers_that_heard_more_than_16_khz_are_named(make_row: Callable[..., Row]) -> None:
    rows = [make_row(tokenizer=name, notes={"input_rate": 24_000}) for name in ("mimi", "dac_24khz")]
    rows += [make_row(tokenizer="opus_6k", notes={"input_rate": 16_000}), make_row(tokenizer="older")]
    assert "Recordings as heard by tokenizers: dac_24khz, mimi 24 kHz; the others 16 kHz." in notes(*rows)
    assert "Recordings as heard" not in notes(*rows[2:])


def test_bitrates_that_published_tables_state_otherwise_are_told(make_row: Callable[..., Row]) -> None:
    rows = [
        make_row(tokenizer="lscodec_50hz", bitrate=411.4, notes={"whole_bit_rate": 450.0}),
        make_row(tokenizer="vq_wav2vec", bitrate=1664.0, notes={"whole_bit_rate": 1800.0}),
        make_row(tokenizer="mel_rvq"),
    ]
    told = "kbps as published tables count, F · ⌈log2 V⌉: lscodec_50hz 0.45, vq_wav2vec 1.8."
    assert told in notes(*rows) and "published tables count" not in notes(rows[2])
