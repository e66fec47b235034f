from importlib import import_module
from pathlib import Path

import pytest
import yaml

from benchmark.errors import UserError

GROUP = Path(__file__).resolve().parents[2] / "conf" / "probe"


@pytest.mark.parametrize(
    ("frame_rate", "factor"),
    [(50, 1), (75, 1), (49.9, 2), (25, 2), (21.5, 3), (12.5, 4), (50 / 3, 3), (100, 1)],
)
def test_upsampling_is_the_smallest_factor_that_reaches_the_rate(make_config, frame_rate, factor) -> None:
    assert make_config(min_frame_rate=50).upsampling(frame_rate) == factor


@pytest.mark.parametrize("path", sorted(GROUP.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_yaml_makes_a_config_or_names_some_that_do(path: Path) -> None:
    settings = yaml.safe_load(path.read_text())
    if "defaults" in settings:
        presets = settings.pop("defaults")
        assert not settings
        assert all((GROUP / f"{preset}.yaml").is_file() and preset.endswith(path.stem) for preset in presets)
        return
    module, _, name = settings.pop("_target_").rpartition(".")
    assert getattr(import_module(module), name)(**settings).name == path.stem


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
    ],
)
def test_choices_that_contradict_each_other_are_named(make_config, change, message) -> None:
    with pytest.raises(UserError, match=message):
        make_config(**change)
