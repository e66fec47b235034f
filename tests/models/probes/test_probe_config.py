from dataclasses import asdict, fields
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.models.probes.config import AttentionConfig, ProbeConfig, differences

CONF = Path(__file__).resolve().parents[3] / "conf"
SLOTS = ("asr_probe", "intent_probe", "attention_probe", "phone_probe")


@pytest.mark.parametrize(
    ("frame_rate", "factor"),
    [(50, 1), (75, 1), (49.9, 2), (25, 2), (21.5, 3), (12.5, 4), (50 / 3, 3), (100, 1)],
)
def test_upsampling_is_the_smallest_factor_that_reaches_the_rate(make_config, frame_rate, factor) -> None:
    assert make_config(min_frame_rate=50).upsampling(frame_rate) == factor


@cache
def presets(choice: str) -> dict[str, ProbeConfig]:
    """Return the values that `probe=choice` sets, by config slot."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=[f"probe={choice}"])
    return {slot: build(config[slot]) for slot in SLOTS if slot in config}


@pytest.mark.parametrize("choice", sorted(path.stem for path in (CONF / "probe").glob("*.yaml")))
def test_every_choice_sets_presets(choice: str) -> None:
    found = presets(choice)
    if choice.partition("_")[0] in ("asr", "intent", "phones"):
        assert [config.name for config in found.values()] == [choice]
    else:
        assert {"asr_probe", "intent_probe"} <= found.keys()
        assert len({config.name for config in found.values()}) == len(found)


@pytest.mark.parametrize("suite", ["mini", "controlled", "controlled_mini"])
def test_heads_of_a_suite_share_encoder_and_budget(suite: str) -> None:
    found = presets(suite)
    ctc, attention, phones = (found[slot] for slot in ("asr_probe", "attention_probe", "phone_probe"))
    assert (type(ctc), type(attention), type(phones)) == (ProbeConfig, AttentionConfig, ProbeConfig)
    assert ctc.name == f"asr_{suite}"
    for item in fields(ProbeConfig):
        if item.name != "name":
            values = {str(getattr(config, item.name)) for config in (ctc, attention, phones)}
            assert len(values) == 1, item.name
    assert differences(ctc, attention) == differences(ctc, phones) == []


def test_another_encoder_or_budget_is_found(make_config) -> None:
    other = make_config(hidden_dim=40, learning_rate=0.01, name="other", beam=3)
    assert differences(make_config(), other) == ["hidden_dim", "learning_rate"]


def test_an_unknown_combination_is_named(make_config) -> None:
    with pytest.raises(UserError, match=r"'summ'.*Did you mean 'sum'"):
        make_config(combine="summ")


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.0}, {"epochs": 0}, {"batch_size": -1}, {"dropout": 1.0}, {"substitution": -0.1}],
)
def test_an_impossible_value_is_named(make_config, change) -> None:
    with pytest.raises(UserError, match=next(iter(change))):
        make_config(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init": "codebok"}, "Did you mean 'codebook'"),
        ({"schedule": "linear"}, "newbob"),
        ({"units": "words"}, "bpe"),
        ({"learning_rate": []}, "at least one"),
        ({"learning_rate": [1e-3, 0.0]}, "learning_rate=0.0 must be positive"),
        ({"learning_rate": [1e-3, 1e-2]}, "pilot_epochs"),
        ({"shared_rows": 64, "combine": "concat"}, "shared_rows=64"),
        ({"shared_rows": 64, "init": "codebook"}, "shared_rows=64"),
        ({"beam": 0}, "beam=0"),
        ({"batching": "sorted"}, "ascending"),
        ({"batching": "ascending", "steps_per_epoch": 4}, "steps_per_epoch=4 with batching=ascending"),
    ],
)
def test_choices_that_contradict_each_other_are_named(make_config, change, message) -> None:
    with pytest.raises(UserError, match=message):
        make_config(**change)


def test_a_cap_on_steps_is_refused_where_epochs_go_from_short_to_long(make_config) -> None:
    ascending = make_config(batching="ascending", steps_per_epoch=None)
    ascending.require_uncapped(None)
    make_config().require_uncapped(20)
    with pytest.raises(UserError, match=r"probe 'micro': trainer\.max_steps=20 with batching=ascending"):
        ascending.require_uncapped(20)


@pytest.mark.parametrize(
    "change", [{"stacking": 0}, {"label_smoothing": 1.0}, {"max_label_rate": 0.0}, {"beam": 5}, {"layers": 0}]
)
def test_what_an_attention_decoder_cannot_do_is_named(make_config, change) -> None:
    with pytest.raises(UserError, match=f"{next(iter(change))}="):
        AttentionConfig(**asdict(make_config()) | change)
