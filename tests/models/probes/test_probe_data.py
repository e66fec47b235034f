import numpy as np
import pytest
import torch

from benchmark.models.probes.data import (
    Derived,
    LabelledTokens,
    collate,
    dev_loader,
    join_labels,
    pad_codes,
    steps_of_a_pass,
    train_loader,
)
from benchmark.models.probes.frontend import PADDING


def codes(frames: int, books: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 16, (books, frames))


def test_what_lacks_a_label_or_tokens_is_counted(make_store) -> None:
    store = make_store({"a": codes(5), "b": codes(6), "c": codes(7)}, failed=("d", "e"))
    labelled = join_labels(store, {"c": [1, 2], "a": [3], "b": [], "d": [1], "elsewhere": [2]})
    assert dict(labelled.labels) == {"a": [3], "c": [1, 2]}
    assert labelled.frames.tolist() == [5, 7]
    # b has an empty label, e none; d failed, and `elsewhere` was never encoded.
    assert labelled.skipped == {"no_label": 2, "no_tokens": 2}


def test_derived_values_are_made_when_they_are_asked_for() -> None:
    asked: list[str] = []

    def value_of(key: str) -> list[int]:
        asked.append(key)
        return [len(key)]

    derived = Derived(["bb", "a"], value_of)
    assert "a" in derived and "c" not in derived and list(derived) == ["bb", "a"] and len(derived) == 2
    assert not asked
    assert derived["bb"] == [2] and asked == ["bb"]
    with pytest.raises(KeyError):
        derived["c"]


def test_collate_pads_codes_and_labels() -> None:
    batch = collate([(codes(3), [5, 6, 7]), (codes(5), [8])])
    assert batch.codes.shape == (2, 2, 5)
    assert batch.codes[0, :, 3:].eq(PADDING).all()
    assert torch.equal(batch.codes[0, :, :3], torch.from_numpy(codes(3)))
    assert batch.lengths.tolist() == [3, 5]
    assert batch.labels.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch.label_lengths.tolist() == [3, 1]


def test_an_empty_utterance_leaves_one_frame_of_padding() -> None:
    assert pad_codes([codes(0)]).tolist() == [[[PADDING], [PADDING]]]


def test_substitution_replaces_its_share_within_each_codebook(make_store) -> None:
    books = np.stack([np.full(20_000, 100), np.full(20_000, 2)])
    labelled = join_labels(make_store({"a": books}), {"a": [1]})
    changed, _ = LabelledTokens(labelled, (256, 4), substitution=0.3)[0, 7]
    # One replacement in V draws the old code again.
    assert abs((changed[0] != 100).mean() - 0.3 * 255 / 256) < 0.02
    assert abs((changed[1] != 2).mean() - 0.3 * 3 / 4) < 0.02
    assert changed[0].max() == 255
    assert changed[1].max() == 3
    assert changed.min() == 0


def test_substitution_depends_on_the_draw_alone(make_store) -> None:
    labelled = join_labels(make_store({"a": codes(200), "b": codes(200)}), {"a": [1], "b": [1]})
    data = LabelledTokens(labelled, (16, 16), substitution=0.3)
    first, _ = data[0, 7]
    again, _ = data[0, 7]
    other, _ = data[0, 8]
    assert (first == again).all()
    assert (first != other).any()
    plain, _ = LabelledTokens(labelled, (16, 16))[0, 7]
    assert (plain == codes(200)).all()


def test_a_pass_holds_every_utterance_once(make_store, make_spec, make_config) -> None:
    labelled = join_labels(
        make_store({f"u{i}": codes(9) for i in range(11)}), {f"u{i}": [1] for i in range(11)}
    )
    spec, config = make_spec((16, 16)), make_config(batch_size=4)
    steps = steps_of_a_pass(labelled, spec, config, seed=0)
    assert steps == 3
    assert sum(len(batch.codes) for batch in train_loader(labelled, spec, config, steps, 0, 0)) == 11
    assert len(list(train_loader(labelled, spec, config, 7, seed=0, workers=0))) == 7


@pytest.mark.parametrize(("frame_rate", "books"), [(50.0, 2), (12.5, 2), (50.0, 1)])
def test_a_cap_in_seconds_cuts_the_same_batches_at_any_rate_and_any_k(
    make_store, make_spec, make_config, frame_rate: float, books: int
) -> None:
    seconds = [2, 4, 4, 8, 8, 8, 16, 16, 30, 30, 30]
    frames = {f"u{i:02d}": round(length * frame_rate) for i, length in enumerate(seconds)}
    labelled = join_labels(
        make_store({key: codes(length)[:books] for key, length in frames.items()}),
        {key: [1] for key in frames},
    )
    spec, config = make_spec((16,) * books, frame_rate), make_config(batch_size=4, batch_seconds=60)
    steps = steps_of_a_pass(labelled, spec, config, seed=0)
    assert steps > steps_of_a_pass(labelled, spec, make_config(batch_size=4), seed=0) == 3
    for loader in (train_loader(labelled, spec, config, steps, 0, 0), dev_loader(labelled, spec, config)):
        batches = list(loader)
        padded = [len(batch.codes) * batch.codes.shape[2] / frame_rate for batch in batches]
        assert max(padded) == 60
        assert sorted(length for batch in batches for length in batch.lengths.tolist()) == sorted(
            frames.values()
        )


def test_workers_do_not_change_the_batches(make_store, make_spec, make_config) -> None:
    labelled = join_labels(
        make_store({f"u{i}": codes(9, seed=i) for i in range(11)}), {f"u{i}": [1] for i in range(11)}
    )
    config = make_config(batch_size=4, substitution=0.5)
    alone, helped = (
        [batch.codes for batch in train_loader(labelled, make_spec((16, 16)), config, 3, 0, workers)]
        for workers in (0, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))
