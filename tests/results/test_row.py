import json
import math

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.results.row import SCHEMA_VERSION, Row


def test_round_trip(make_row):
    row = make_row(
        value=12.34, lo=10.0, hi=14.9, n_failed=2, reason="silence", notes={"chance": 8.3, "dev": [1, None]}
    )
    line = row.to_json()
    assert "\n" not in line
    assert Row.from_json(line) == row


def test_nan_becomes_none_and_never_a_literal(make_row):
    def refuse(literal):
        raise AssertionError(literal)

    row = make_row(
        value=math.nan,
        lo=math.nan,
        status="NC",
        reason="diverged",
        notes={"curve": (1.0, np.float32("nan"), math.inf), "step": np.int64(3), "scores": np.array([1.5])},
    )
    assert row.value is None and row.lo is None
    content = json.loads(row.to_json(), parse_constant=refuse)
    assert content["value"] is None
    assert content["notes"] == {"curve": [1.0, None, None], "step": 3, "scores": [1.5]}
    assert Row.from_json(row.to_json()) == row


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "done", "reason": "x"},
        {"kind": "neural"},
        {"value": None},
        {"value": math.inf},
        {"status": "NC"},
        {"status": "n/a", "value": None},
        {"n_scored": -1},
        {"n_failed": -1},
        {"value": 5.0, "lo": 5.1},
        {"value": 5.0, "lo": 1.0, "hi": 4.9},
        {"value": None, "lo": 2.0, "hi": 1.0, "status": "failed", "reason": "x"},
        {"schema_version": SCHEMA_VERSION + 1},
    ],
)
def test_contradictions_are_refused(make_row, facts):
    with pytest.raises(ValueError, match="reconstruction/mel_rvq/synthetic/wer"):
        make_row(**facts)


def test_interval_may_miss_the_value_by_rounding_only(make_row):
    value = 0.1 + 0.2
    make_row(value=value, lo=value, hi=0.3)
    with pytest.raises(ValueError, match="does not hold"):
        make_row(value=value, hi=value - 1e-6)


def test_other_schema_version_names_reason_and_next_step(make_row):
    content = json.loads(make_row().to_json())
    content["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(UserError, match=rf"version {SCHEMA_VERSION + 1}.*reads {SCHEMA_VERSION}.*run again"):
        Row.from_json(json.dumps(content))


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"value": 1}'])
def test_what_is_no_row_is_a_value_error(line):
    with pytest.raises(ValueError):
        Row.from_json(line)


def test_missing_and_unknown_fields_are_named(make_row):
    content = json.loads(make_row().to_json())
    content["colour"] = content.pop("device")
    with pytest.raises(ValueError, match="colour, device"):
        Row.from_json(json.dumps(content))


def test_rows_from_before_variants_are_the_usual_ones(make_row):
    content = json.loads(make_row().to_json())
    assert content.pop("variant") == ""
    row = Row.from_json(json.dumps(content))
    assert row == make_row() and row.label == "mel_rvq"
    assert make_row(variant="vocoder").label == "mel_rvq+vocoder"


def test_a_row_from_before_abstentions_has_none(make_row):
    content = json.loads(make_row(n_failed=3, reason="silence").to_json())
    del content["n_abstained"]
    row = Row.from_json(json.dumps(content))
    assert (row.n_failed, row.n_abstained) == (3, 0)
    with pytest.raises(ValueError, match="negative"):
        make_row(n_abstained=-1)


def test_a_row_without_its_machine_is_an_older_one(make_row):
    content = json.loads(make_row(machine={"processor": "EPYC"}).to_json())
    assert Row.from_json(json.dumps(content)).machine == {"processor": "EPYC"}
    del content["machine"]
    assert Row.from_json(json.dumps(content)).machine == {}
