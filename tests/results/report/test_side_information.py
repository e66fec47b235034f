"""Side information in tables: a footnote wherever its tokenizer stands, and its rate where it is sent."""

import pytest

from benchmark.results.report.formats import to_csv
from benchmark.results.report.grid import make_grid
from benchmark.results.report.tables import make_table

SPEAKER = {"side_info": "the speaker", "side_info_bits_per_utterance": 8192}
ENDLESS = {"side_info": "features", "side_info_bits_per_utterance": None}


@pytest.fixture
def table(make_row):
    """Make the reconstruction table of one codec, with the recordings themselves beside it."""

    def make(**facts):
        codec = {"tokenizer": "facodec", "decoder": "own", "bitrate": 4800.0} | facts
        topline = make_row(tokenizer="ground_truth", kind="topline", decoder="own", bitrate=256_000.0)
        return make_table("reconstruction", [make_row(**codec), topline])

    return make


def kbps(grid, name="facodec"):
    entry = next(row for row in grid.body if row[0].value.startswith(name))[grid.header.index("kbps")]
    return entry.value, "" if entry.mark is None else grid.footnotes[entry.mark - 1]


def test_side_information_of_the_recording_itself_counts(table) -> None:
    sent = SPEAKER | {"prompt": "original", "side_info_bitrate": 2400.0}
    shown = table(notes=sent, variant="original_prompt")
    value, why = kbps(make_grid(shown))
    assert value == "7.2"
    assert "4.8 of codes + 2.4 of side information" in why and "8192 bit a recording" in why
    assert ",7.2," in to_csv(shown)
    assert kbps(make_grid(shown), "ground_truth") == ("256", "")


def test_a_prompt_does_not_count_and_is_told(table) -> None:
    grid = make_grid(table(notes=SPEAKER | {"prompt": "same_speaker", "side_info_bitrate": 2400.0}))
    value, why = kbps(grid)
    assert value == "4.8" and "not counted), from another recording of the speaker" in why
    assert any(note.startswith("Prompts") and "another recording" in note for note in grid.notes)


def test_side_information_without_a_fixed_size_is_uncounted_and_says_so(table) -> None:
    value, why = kbps(make_grid(table(notes=ENDLESS | {"prompt": "original"}, variant="original_prompt")))
    assert value == "4.8" and "of no fixed size, not counted" in why and "the recording itself" in why


def test_a_probing_table_has_the_footnote_as_well(make_row) -> None:
    row = make_row(tokenizer="facodec", task="asr_probe", decoder="bilstm", metric="probe_wer", notes=SPEAKER)
    value, why = kbps(make_grid(make_table("probing", [row])))
    assert value == "1.6" and "codes alone" in why and "the speaker" in why


def test_lines_of_two_rules_are_told_apart(make_row) -> None:
    rows = [
        make_row(tokenizer="a", notes={"prompt": "same_speaker"}),
        make_row(tokenizer="a", notes={"prompt": "original"}, variant="original_prompt"),
    ]
    notes = make_grid(make_table("reconstruction", rows)).notes
    note = next(note for note in notes if note.startswith("Prompts"))
    assert "another recording of the speaker [a]; the recording itself [a+original_prompt]" in note
