"""The rules as data: they name what exists, and tolerances mean what they print."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from benchmark.jobs.build import build
from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.results.published.conditions import TESTS
from benchmark.results.published.judge import counterpart_of
from benchmark.results.published.names import read_conversion_prompts, read_counterparts, read_sources
from benchmark.results.published.rules import Tolerance, read_rules
from benchmark.results.row import Row
from benchmark.tasks.decoding.trained_vocoder import takes_prompt, uses_vocoder
from tests.results.published.survey_rows import all_numbers, configs

ROOT = Path(__file__).resolve().parents[3]


def test_rules_name_sources_metrics_tasks_groups_and_sets_that_exist():
    rules, configs = read_rules(), {each.config for each in read_counterparts().values()}
    for rule in rules.rules:
        assert set(rule.sources) <= set(read_sources())
        assert set(rule.metrics) <= set(rules.units)
        assert set(rule.tasks) <= set(rules.columns)
        names = {
            *rules.always,
            *rule.profile,
            *rule.when,
            *(name for band in rule.bands for name in band.when),
        }
        assert names <= set(rules.conditions.sets)
        assert bool(rule.bands) != bool(rule.not_comparable)
        assert all(band.reason for band in rule.bands)
    assert {name for names in rules.datasets.values() for name in names} <= set(rules.conditions.sets)
    assert {name for group in rules.conditions.groups.values() for name in group} <= configs


def test_conditions_ask_for_facts_that_rows_have():
    known = {item.name for item in fields(Row)} | {"config", "utterances", "conversion_pairs"}
    for conditions in read_rules().conditions.sets.values():
        for condition in conditions:
            assert condition.fact.partition(".")[0] in known and condition.test in TESTS and condition.why


def test_conditions_on_configs_name_what_the_protocol_has():
    """A misspelled path would be stated by no config, and refuse every row or hold of every row."""

    def has(config, path):
        for name in path:
            if not isinstance(config, Mapping) or name not in config:
                return False
            config = config[name]
        return True

    sets = read_rules().conditions.sets.values()
    facts = {each.fact for conditions in sets for each in conditions}
    asked = [fact.split(".")[1:] for fact in facts if fact.startswith("config.")]
    assert len(asked) > 20
    assert [path for path in asked if not any(has(config, path) for config in configs().values())] == []


def test_groups_are_those_of_the_tokenizers_themselves():
    names = sorted({each.config for each in read_counterparts().values() if each.config})
    with open_hydra() as hydra:
        jobs = compose_jobs(hydra, [f"tokenizer={','.join(names)}"], multirun=True)
    built = {job.tokenizer.name: build(job.tokenizer) for job in jobs}
    assert sorted(built) == names
    groups = {name: set(group) for name, group in read_rules().conditions.groups.items()}
    assert groups["codecs_24khz"] == {name for name, each in built.items() if each.spec.sample_rate > 16_000}
    assert groups["vocoder"] == {name for name, each in built.items() if uses_vocoder(each)}
    assert groups["prompted"] == {name for name, each in built.items() if takes_prompt(each)}


def test_every_rule_decides_a_published_number():
    """A rule that another one hides, or that no number needs, is a mistake of the file."""
    rules = read_rules()
    used = {
        id(rules.of(number, counterpart_of(number))) for number in all_numbers() if counterpart_of(number)
    }
    unused = [rule for rule in rules.rules if id(rule) not in used]
    assert [(rule.sources, rule.tasks, rule.metrics) for rule in unused] == []


def test_every_cell_of_the_survey_has_a_rule():
    rules = read_rules()
    survey = [number for number in all_numbers() if number.source == "survey"]
    assert all(rules.of(number, counterpart_of(number)) for number in survey)


@pytest.mark.parametrize(
    ("tolerance", "published", "least", "greatest", "words"),
    [
        (Tolerance(absolute=0.5), 1.5, 1.0, 2.0, "±0.5"),
        (Tolerance(absolute=0.5, relative=0.2, over=3), 2.81, 2.31, 3.31, "±0.5"),
        (Tolerance(absolute=0.5, relative=0.2, over=3), 5.0, 4.0, 6.0, "±20 %"),
        (Tolerance(relative=0.1), 20.0, 18.0, 22.0, "±10 %"),
        (Tolerance(factor=1.5), 3.0, 2.0, 4.5, "×/÷ 1.5"),
        (Tolerance(below=0.35, above=0.05), 2.83, 2.48, 2.88, "−0.35/+0.05"),
    ],
)
def test_tolerances(tolerance, published, least, greatest, words):
    assert tolerance.bounds(published) == pytest.approx((least, greatest))
    assert tolerance.words(published) == words
    assert tolerance.holds(published, published)
    assert tolerance.holds(published, least) and tolerance.holds(published, greatest)
    assert not tolerance.holds(published, least - 0.001) and not tolerance.holds(published, greatest + 0.001)


def test_published_conversions_exchange_the_speakers():
    prompts = read_conversion_prompts()
    targets = {prompt.partition("_")[0] for prompt in prompts.values()}
    assert len(prompts) == 37 and targets == set(prompts)
    assert all(prompt.partition("_")[0] != speaker for speaker, prompt in prompts.items())


def test_columns_find_metrics_that_exist():
    names = {
        f"{task}.{metric}"
        for task in ("reconstruction", "voice_conversion")
        for path in (ROOT / "conf" / "metric").rglob("*.yaml")
        for metric in (yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    }
    rules = read_rules()
    for task in ("reconstruction", "voice_conversion"):
        for metric, patterns in rules.columns[task].items():
            assert any(Path(name).match(pattern) for name in names for pattern in patterns), metric


def test_the_page_prints_the_tolerances_of_the_survey():
    page = (ROOT / "docs" / "explanation" / "reproducing_the_table.md").read_text(encoding="utf-8")
    table = page[page.index("| column | tolerance |") : page.index("## Know what cannot be exact")]
    for rule in read_rules().rules:
        for band in rule.bands if "survey" in rule.sources else ():
            for published in (1.5, 30.0):
                words = band.tolerance.words(published)
                assert f"{words} " in table, words
