"""Verdicts follow from what a row says: equal numbers agree, shifted ones differ, others are not compared."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pandas as pd
import pytest

from benchmark.results.published.judge import Judge
from benchmark.results.published.rules import read_rules
from tests.results.published.survey_rows import (
    CONVERSIONS,
    WHISPER,
    all_numbers,
    as_ours,
    configs,
    evidence,
    shifted,
)

NUMBERS = all_numbers()
SURVEY = [number for number in NUMBERS if number.source == "survey"]
NOT_COMPARABLE = {
    ("ground_truth", "PESQ"): "the published 4.50",
    ("facodec", "PESQ"): "no agreed value",
    ("facodec", "STOI"): "no agreed value",
    ("ticodec_1g2r", "P.Corr"): "hardly changed",
    **{
        (config, "STOI"): "shift of 9.5 to 19 ms"
        for config in (
            *("vq_wav2vec", "wav2vec2_vq", "wav2vec2_large_l14", "hubert_large_l24"),
            *("wavlm_large_l24", "contentvec_l12", "s3_tokenizer_v1_50hz", "lscodec_50hz"),
        )
    },
}


def judge(rows, **more):
    return Judge(rows, more.get("evidence", evidence()), read_rules(), NUMBERS)


def one(tokenizer, task, metric):
    return next(
        n
        for n in SURVEY
        if (n.tokenizer, n.task, n.metric) == (tokenizer, task, metric) and "inner" not in n.variant
    )


@pytest.fixture
def rows(make_row):
    return as_ours(make_row, SURVEY)


def test_published_numbers_as_ours_agree_everywhere(rows):
    judged = [judge(rows).verdict(number) for number in SURVEY]
    assert Counter(each.verdict for each in judged) == {"agrees": 148, "not comparable": 12}
    for each in judged:
        if each.verdict == "not comparable":
            assert NOT_COMPARABLE[each.config, each.published.metric] in each.why
        elif each.published.number is None:
            assert each.why == "neither training converged"
        else:
            assert each.difference == 0 and each.band.reason


@pytest.mark.parametrize(
    ("tokenizer", "task", "metric"),
    [
        ("GroundTruth", "reconstruction", "WER"),
        ("GroundTruth", "reconstruction", "GPE"),
        ("EnCodec", "reconstruction", "WER"),
        ("LLM-Codec", "reconstruction", "WER"),
        ("HuBERT", "reconstruction", "GPE"),
        ("EnCodec", "reconstruction", "PESQ"),
        ("LSCodec", "reconstruction", "PESQ"),
        ("Mimi", "reconstruction", "STOI"),
        ("wav2vec 2.0", "voice_conversion", "WER"),
        ("FACodec", "voice_conversion", "SECS"),
        ("vq-wav2vec", "voice_conversion", "P.Corr"),
        ("X-Codec", "asr_probe", "WER"),
        ("SNAC", "intent_probe", "ACC"),
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_a_number_shifted_by_twice_its_tolerance_differs_alone(rows, tokenizer, task, metric, side):
    number = one(tokenizer, task, metric)
    place = SURVEY.index(number)
    fine = judge(rows).verdict(number)
    edge = fine.band.tolerance.bounds(number.number)[side]
    rows[place] = shifted(rows[place], number.number + 2 * (edge - number.number))
    judged = [judge(rows).verdict(each) for each in SURVEY]
    assert [each.published for each in judged if each.verdict == "differs"] == [number]
    assert Counter(each.verdict for each in judged)["agrees"] == 147
    rows[place] = shifted(rows[place], number.number + 0.99 * (edge - number.number))
    assert judge(rows).verdict(number).verdict == "agrees"


@pytest.mark.parametrize(
    ("tokenizer", "task", "metric", "changes", "words"),
    [
        ("EnCodec", "reconstruction", "WER", {"profile": "survey_mini"}, "size mini (profile survey_mini)"),
        ("EnCodec", "reconstruction", "WER", {"profile": "paper"}, "other profile (profile paper)"),
        (
            "EnCodec",
            "reconstruction",
            "STOI",
            {"dataset": "libri"},
            "other corpus than LibriTTS (dataset libri)",
        ),
        ("EnCodec", "reconstruction", "STOI", {"split": "test-clean-500 (seeded)"}, "other utterances"),
        ("EnCodec", "reconstruction", "STOI", {"n_scored": 60}, "testset-B (utterances 60)"),
        ("EnCodec", "reconstruction", "STOI", {"n_scored": 440, "n_failed": 60}, "no score on more than 10%"),
        ("EnCodec", "reconstruction", "STOI", {"definition": "extended, as Octave"}, "extended STOI"),
        ("EnCodec", "reconstruction", "PESQ", {"definition": "narrowband, 8 kHz"}, "other band of PESQ"),
        (
            "EnCodec",
            "reconstruction",
            "GPE",
            {"definition": "off by more than 20 %, librosa pYIN"},
            "PyWorld's",
        ),
        ("EnCodec", "reconstruction", "GPE", {"definition": "off by more than 10 %, pyworld"}, "than 20 %"),
        (
            "HuBERT",
            "reconstruction",
            "WER",
            {"notes": {"prompt": "same_speaker"}},
            "prompt is not the utterance",
        ),
        (
            "EnCodec",
            "reconstruction",
            "WER",
            {"variant": "vocoder", "decoder": "ctx_vec2wav_survey"},
            "in place of the tokenizer's own decoder (variant vocoder)",
        ),
        ("FACodec", "voice_conversion", "SECS", {"variant": "vocoder"}, "tokenizer's own decoder"),
        ("FACodec", "reconstruction", "WER", {"variant": "vocoder+original_prompt"}, "own decoder"),
        ("HuBERT", "reconstruction", "PESQ", {"notes": {}}, "or not stated (notes.prompt)"),
        ("HuBERT", "reconstruction", "PESQ", {"decoder": "ctx_vec2wav_survey_b"}, "other vocoder"),
        ("HuBERT", "reconstruction", "PESQ", {"decoder": "ctx_vec2wav_survey, 20000 steps"}, "20000 steps)"),
        ("EnCodec", "asr_probe", "WER", {"decoder": "asr_survey, at most 100 steps"}, "other probe recipe"),
        ("HuBERT", "voice_conversion", "SECS", {"definition": "cosine of ECAPA"}, "other speaker encoder"),
        ("HuBERT", "voice_conversion", "P.Corr", {"definition": "pyworld, on all frames"}, "other frames"),
        ("EnCodec", "asr_probe", "WER", {"definition": "attention over tokens"}, "other probe recipe"),
        ("EnCodec", "intent_probe", "ACC", {"definition": "the predicted intent's scenario"}, "18 scenarios"),
        ("EnCodec", "intent_probe", "ACC", {"split": "test (headset)"}, "other split"),
        ("EnCodec", "intent_probe", "ACC", {"n_scored": 13_077}, "a part of SLURP's test"),
        ("EnCodec", "intent_probe", "ACC", {"config_digest": "unknown"}, "or not stated (config."),
    ],
)
def test_a_row_of_another_protocol_is_not_comparable(rows, tokenizer, task, metric, changes, words):
    number = one(tokenizer, task, metric)
    place = SURVEY.index(number)
    rows[place] = replace(rows[place], value=99.0, **changes)
    found = judge(rows).verdict(number)
    assert found.verdict == "not comparable" and words in found.why
    assert found.ours.value == 99.0


def changed(task, path, value):
    """Return the protocol's configs with one value changed."""
    *folders, name = path.split(".")
    content = deepcopy(configs())
    at = content[task]
    for folder in folders:
        at = at[folder]
    assert at[name] != value
    at[name] = value
    return content


@pytest.mark.parametrize(
    ("task", "path", "value", "words"),
    [
        ("reconstruction", "vocoder.steps", 20_000, "steps (config.vocoder.steps 20000)"),
        ("reconstruction", "vocoder.batch_seconds", 240.0, "other batches"),
        ("reconstruction", "vocoder.generator._target_", "mine.Generator", "other generator"),
        ("reconstruction", "vocoder.prompt.features", "mel", "other prompt"),
        ("reconstruction", "vocoder.prompt.layer", 24, "other prompt"),
        ("reconstruction", "dataset.splits.train", ["train-clean-100"], "on other speech"),
        ("voice_conversion", "vocoder.batch_seconds", 240.0, "other batches"),
        ("asr_probe", "dataset.splits.train", ["train-clean-100"], "other training hours"),
        ("asr_probe", "dataset.holdout_speakers", 16, "other training hours"),
        ("asr_probe", "dataset.splits.dev", ["dev-other"], "other dev split than dev-clean"),
        ("asr_probe", "dataset.splits.test", ["test-other"], "other split than test-clean"),
        ("asr_probe", "task.probe.learning_rate", 2e-4, "probe.learning_rate 0.0002"),
        ("asr_probe", "task.probe.weight_decay", 0.0, "other probe recipe"),
        ("asr_probe", "task.probe.dropout", 0.0, "other probe recipe"),
        ("asr_probe", "task.probe.batch_size", 16, "other probe recipe"),
        ("asr_probe", "task.probe.batching", "bucketed", "other probe recipe"),
        ("asr_probe", "task.probe.beam", None, "other probe recipe or not stated"),
        ("asr_probe", "task.probe.hidden_dim", 512, "other probe recipe"),
        ("asr_probe", "task.probe.select", "wer", "other probe recipe"),
        ("asr_probe", "task.probe.steps_per_epoch", 100, "other probe recipe"),
        ("asr_probe", "task.probe.patience", 3, "other probe recipe"),
        ("intent_probe", "task.probe.min_frame_rate", 8, "codes repeated"),
        ("intent_probe", "task.probe.dropout", 0.2, "other probe recipe"),
        ("intent_probe", "task.probe.batch_size", 4, "other probe recipe"),
        ("intent_probe", "task.probe.batching", "ascending", "other probe recipe"),
        ("intent_probe", "task.probe.weight_decay", 5e-4, "other probe recipe"),
        ("intent_probe", "dataset.recordings", "headset", "a part of SLURP's recordings"),
        ("intent_probe", "dataset.train_parts", ["real", "synthetic"], "other training part"),
    ],
)
def test_a_config_of_another_recipe_is_not_comparable(rows, task, path, value, words):
    other = evidence(changed(task, path, value))
    found = judge(rows, evidence=other).verdict(
        one("HuBERT", task, "ACC" if task == "intent_probe" else "WER")
    )
    assert found.verdict == "not comparable" and words in found.why


def test_a_codec_does_not_depend_on_the_vocoder_of_its_config(rows):
    other = evidence(changed("reconstruction", "vocoder.steps", 20_000))
    assert judge(rows, evidence=other).verdict(one("EnCodec", "reconstruction", "WER")).verdict == "agrees"


@pytest.mark.parametrize(
    "conversions",
    [
        CONVERSIONS.assign(target_id=CONVERSIONS["target_id"][::-1].to_numpy()),
        CONVERSIONS.iloc[1:],
        CONVERSIONS.drop(columns="target_id"),
        pd.DataFrame(),
    ],
    ids=["others", "fewer", "none listed", "no scores"],
)
def test_conversions_by_other_pairs_are_not_comparable(rows, conversions):
    number = one("HuBERT", "voice_conversion", "SECS")
    found = judge(rows, evidence=evidence(conversions=conversions)).verdict(number)
    assert found.verdict == "not comparable" and "other pairs than LSCodec's utt2prompt" in found.why


def of_whisper(rows):
    return [replace(row, definition=WHISPER) if row.metric == "wer" else row for row in rows]


def test_another_listener_is_compared_by_the_difference_to_the_recordings(rows):
    louder = [
        replace(row, value=row.value + 2.0) if row.definition == WHISPER else row for row in of_whisper(rows)
    ]
    found = judge(louder).verdict(one("EnCodec", "reconstruction", "WER"))
    assert found.verdict == "agrees" and found.pair == pytest.approx((0.37, 0.37))
    assert found.difference == pytest.approx(0) and "another listener" in found.band.reason
    place = SURVEY.index(one("EnCodec", "reconstruction", "WER"))
    louder[place] = shifted(louder[place], louder[place].value + 0.8)
    assert judge(louder).verdict(one("EnCodec", "reconstruction", "WER")).verdict == "differs"


def test_another_listener_says_nothing_of_large_differences_or_of_the_recordings(rows):
    others = judge(of_whisper(rows))
    assert "in rank only" in others.verdict(one("LLM-Codec", "reconstruction", "WER")).why
    assert others.verdict(one("GroundTruth", "reconstruction", "WER")).why == "other listener"
    without = [row for row in of_whisper(rows) if row.tokenizer != "ground_truth"]
    found = judge(without).verdict(one("EnCodec", "reconstruction", "WER"))
    assert found.verdict == "not comparable" and "our row of the recordings is missing" in found.why


def test_recordings_have_no_difference_to_themselves(rows, make_row):
    number = replace(
        one("GroundTruth", "reconstruction", "WER"),
        task="voice_conversion",
        dataset=one("HuBERT", "voice_conversion", "WER").dataset,
    )
    found = judge(of_whisper(as_ours(make_row, [number]))).verdict(number)
    assert found.verdict == "not comparable" and "these are the recordings" in found.why


def test_conversions_of_another_listener_are_compared_with_our_unconverted_recordings(rows, make_row):
    unconverted = replace(
        as_ours(make_row, [one("HuBERT", "voice_conversion", "WER")])[0], tokenizer="ground_truth", value=3.16
    )
    number = one("HuBERT", "voice_conversion", "WER")
    louder = [replace(row, value=row.value + 2) if row.metric == "wer" else row for row in rows]
    found = judge(of_whisper([*louder, unconverted])).verdict(number)
    assert found.verdict == "agrees" and found.pair == pytest.approx((0.81, 0.81))


def test_the_rate_that_a_codec_hears_decides_its_band(rows):
    number = one("EnCodec", "reconstruction", "PESQ")
    place = SURVEY.index(number)
    assert judge(rows).verdict(number).band.tolerance.absolute == 0.15
    rows[place] = replace(rows[place], value=2.55, notes={"input_rate": 16000})
    found = judge(rows).verdict(number)
    assert found.verdict == "agrees" and "heard at 16 kHz" in found.band.reason
    rows[place] = replace(rows[place], value=2.55, notes={})  # older rows heard 16 kHz and do not say so
    assert judge(rows).verdict(number).verdict == "agrees"
    rows[place] = replace(rows[place], value=2.93, notes={})
    assert judge(rows).verdict(number).verdict == "differs"


@pytest.mark.parametrize("metric", ["WER", "PESQ", "STOI"])
def test_codecslime_upsampled_what_codecs_of_24_khz_heard(make_row, metric):
    """Section 3.1 of CodecSlime says so of all of them; a codec of 16 kHz hears the same either way."""
    numbers = [n for n in NUMBERS if n.source == "codecslime" and n.metric == metric]
    mine = [n for n in numbers if n.tokenizer in ("EnCodec", "SNAC", "LLM-Codec")]
    native = judge(as_ours(make_row, mine))
    found = {n.tokenizer: native.verdict(n) for n in mine}
    assert found.pop("LLM-Codec").verdict == "agrees"
    assert {each.why for each in found.values()} == {"heard at more than 16 kHz (notes.input_rate 24000)"}
    upsampled = judge([replace(row, notes={"input_rate": 16_000}) for row in as_ours(make_row, mine)])
    assert {upsampled.verdict(n).verdict for n in mine} == {"agrees"}


def test_the_board_is_compared_on_all_of_its_own_recordings(make_row):
    number = next(
        n for n in NUMBERS if (n.source, n.metric, n.variant) == ("codec_superb", "pesq", "dac_16k")
    )
    facts = {"tokenizer": "dac_16khz", "metric": "codec_superb_pesq", "dataset": "codec_superb_tiny"}
    row = make_row(
        profile="paper", value=number.number, definition="wideband, 16 kHz", n_scored=2000, **facts
    )
    assert judge([row]).verdict(number).verdict == "agrees"
    part = judge([replace(row, n_scored=200)]).verdict(number)
    assert part.verdict == "not comparable" and "2000 of its Speech" in part.why


def test_of_two_rows_the_comparable_one_is_judged(rows):
    number = one("HuBERT", "reconstruction", "WER")
    mine = rows[SURVEY.index(number)]
    other = replace(mine, variant="same_speaker_prompt", notes={"prompt": "same_speaker"}, value=50.0)
    found = judge([other, *rows]).verdict(number)
    assert found.verdict == "agrees" and found.row.variant == ""


def test_seeds_are_averaged_and_all_must_be_comparable(rows):
    number = one("HuBERT", "asr_probe", "WER")
    place = SURVEY.index(number)
    rows += [replace(rows[place], seed=1, value=number.number + 0.4)]
    rows[place] = shifted(rows[place], number.number - 0.4)
    found = judge(rows).verdict(number)
    assert found.verdict == "agrees" and found.ours.value == pytest.approx(number.number)
    rows[-1] = replace(rows[-1], config_digest="unknown")
    assert judge(rows).verdict(number).verdict == "not comparable"


def test_utterances_without_a_score_are_told_beside_the_verdict(rows):
    number = one("EnCodec", "reconstruction", "STOI")
    place = SURVEY.index(number)
    rows[place] = replace(rows[place], n_scored=490, n_failed=7, n_abstained=3)
    found = judge(rows).verdict(number)
    assert (found.verdict, found.why) == ("agrees", "7 of 500 utterances failed, 3 abstained")
    rows[place] = shifted(rows[place], 0.5)
    found = judge(rows).verdict(number)
    assert (found.verdict, found.why) == ("differs", "7 of 500 utterances failed, 3 abstained")


def test_trainings_that_do_not_converge(rows):
    number = one("HuBERT", "asr_probe", "WER")
    place = SURVEY.index(number)
    broken = {"status": "NC", "value": None, "reason": "dev WER never left 100 %"}
    seed = replace(rows[place], seed=1)
    rows[place] = replace(rows[place], **broken)
    found = judge(rows).verdict(number)
    assert found.verdict == "differs" and "dev WER never left 100 %" in found.why
    assert "of 2 seeds 1 converged" in judge([*rows, seed]).verdict(number).why
    published = one("LLM-Codec", "asr_probe", "WER")
    place = SURVEY.index(published)
    rows[place] = replace(rows[place], status="ok", value=60.0, reason="")
    found = judge(rows).verdict(published)
    assert found.verdict == "not comparable" and "by reading" in found.why


def test_what_has_not_run_failed_or_has_no_meaning(rows):
    number = one("SNAC", "reconstruction", "STOI")
    place = SURVEY.index(number)
    none = {"value": None, "n_scored": 0}
    rows[place] = replace(rows[place], **none, status="failed", reason="no checkpoint", notes={})
    assert judge(rows).verdict(number).why == "the job failed: no checkpoint"
    rows[place] = replace(rows[place], status="n/a", reason="no decoder")
    found = judge(rows).verdict(number)
    assert (found.verdict, found.why) == ("not comparable", "no decoder")
    del rows[place]
    found = judge(rows).verdict(number)
    assert (found.verdict, found.why, found.ours) == ("missing", "this job has not run", None)


def test_in_a_folder_of_size_mini_no_cell_is_merely_missing(make_row):
    rows = as_ours(make_row, SURVEY[:1], profile="survey_mini")
    found = judge(rows).verdict(one("SNAC", "reconstruction", "STOI"))
    assert (found.verdict, found.why) == ("not comparable", "size mini (profile survey_mini)")


def test_a_unit_of_ours_that_differs_is_told(rows):
    number = one("EnCodec", "reconstruction", "WER")
    place = SURVEY.index(number)
    rows[place] = replace(rows[place], value=0.0153, display=rows[place].display | {"unit": ""})
    assert judge(rows).verdict(number).why == "our unit is '', not '%'"


def test_older_rows_are_judged_without_facts_that_they_lack(make_row):
    """Rows from before prompts, displays and configs were kept with them."""
    old = {"notes": {}, "display": {}, "config_digest": "gone", "variant": "", "date": ""}
    rows = as_ours(make_row, SURVEY, **old)
    judged = [judge(rows, evidence=evidence({})).verdict(number) for number in SURVEY]
    verdicts = Counter(each.verdict for each in judged)
    assert verdicts["differs"] == verdicts["missing"] == 0 and verdicts["agrees"] > 0
    probes = [each for each in judged if each.published.task in ("asr_probe", "intent_probe")]
    assert all(each.verdict == "not comparable" and "not stated" in each.why for each in probes)


def test_a_published_tokenizer_without_a_config_is_missing_with_the_reason(rows):
    number = next(n for n in NUMBERS if n.tokenizer == "SQ-Codec (SQ-SMA-16)")
    found = judge(rows).verdict(number)
    assert (found.verdict, found.why) == ("missing", "the benchmark has no such tokenizer")


def test_another_test_set_of_the_same_paper_is_not_mixed_in(rows, make_row):
    """SACodec prints UTMOS of test-clean and of test-other."""
    here = {"_target_": "benchmark.data.corpora.libritts.LibriTTS", "splits": {"test": ["test-clean"]}}
    mine = make_row(
        profile="libri",
        tokenizer="ground_truth",
        kind="topline",
        metric="utmos",
        value=4.05,
        n_scored=4837,
        definition="UTMOS22 strong learner (x) of the decoded signal alone",
        config_digest="clean",
    )
    numbers = [n for n in NUMBERS if n.source == "sacodec" and n.tokenizer == "Ground truth"]
    found = [judge([mine], evidence=evidence({"clean": {"dataset": here}})).verdict(n) for n in numbers]
    assert {n.published.dataset: n.verdict for n in found} == {
        "LibriTTS test-clean": "agrees",
        "LibriTTS test-other": "not comparable",
    }
