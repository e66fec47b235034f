import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from benchmark.data.audio import resample
from benchmark.errors import UserError
from benchmark.tokenizers.networks.ticodec import Decoder, Encoder
from benchmark.tokenizers.ticodec import CODEBOOK_SIZE, HOP, INVARIANT_CODES, WEIGHTS, TiCodec

HERE = Path(__file__).parent
UPSTREAM = "y-ren16/TiCodec @ 13af0eb"
NOTE = "seeded weights, a quarter of the published widths"
CHANNELS = 8
WINDOW = slice(6000, 10_000)
"""The samples of upstream's output that are kept."""
seeded_state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"]
published = runpy.run_path(str(HERE / "weights" / "ticodec.py"))["published"]


@pytest.fixture(scope="module")
def upstream() -> dict[str, np.ndarray]:
    """Load results of upstream's VQVAE for the two pieces of `speech`, at a quarter of the published widths.

    They are the codes and global codes of piece i, the WINDOW of the output `wav_ij` for the frames of piece
    i with the voice of piece j, and the places of the codebooks, chosen so that codes vary. At the published
    widths, which take too long here, codes were equal too, and the output within 4e-7."""
    with np.load(HERE / "fixtures" / "ticodec.npz") as kept:
        return dict(kept)


@pytest.fixture(scope="module")
def weights(upstream: dict[str, np.ndarray]) -> dict[str, dict[str, torch.Tensor]]:
    """Make the state that upstream's parts were given, as an upstream checkpoint with four codebooks."""
    width = 16 * CHANNELS
    parts = {"encoder": Encoder(CHANNELS, 2 * CHANNELS, 4 * CHANNELS), "generator": Decoder(width, width)}
    state = {}
    for part, module in parts.items():
        shapes = {f"{part}.{name}": tensor.shape for name, tensor in published(module).items()}
        state[part] = {name.removeprefix(f"{part}."): t for name, t in seeded_state(shapes).items()}
    state["encoder"]["GlobalTokenEncoder.fn.2.running_var"] += 1
    books = {}
    for level in range(4):
        name = f"quantizer_modules{level + 1 if level else ''}.0.embedding.weight"
        directions = seeded_state({f"quantizer.{name}": (CODEBOOK_SIZE, width)})
        books[name] = normalize(next(iter(directions.values()))) * float(upstream["radius"]) * 0.5**level
        books[name] += 0 if level else torch.from_numpy(upstream["centre"])
    centres = torch.from_numpy(upstream["global_centre"]).chunk(INVARIANT_CODES)
    for index, centre in enumerate(centres):
        name = f"quantizer_modules_globaltokens.{index}.embedding.weight"
        directions = seeded_state({f"quantizer.{name}": (CODEBOOK_SIZE, len(centre))})
        books[name] = centre + normalize(next(iter(directions.values()))) * float(upstream["global_radius"])
    return {**state, "quantizer": books}


@pytest.fixture(scope="module")
def make(
    weights: dict[str, dict[str, torch.Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., TiCodec]:
    """Return a function that builds the tokenizer on seeded weights, whose codebooks `change` may alter.

    The same arguments give the same tokenizer."""

    @cache
    def make(num_codebooks: int, change: Callable[[dict[str, Any]], None] = lambda books: None) -> TiCodec:
        folder = tmp_path_factory.mktemp("ticodec")
        path = folder / WEIGHTS.format(num_codebooks).replace("*", "00300000")
        path.parent.mkdir(parents=True)
        unused = {f"quantizer_modules{level}.0.embedding.weight" for level in range(num_codebooks + 1, 5)}
        books = {name: book for name, book in weights["quantizer"].items() if name not in unused}
        change(books)
        torch.save({**weights, "quantizer": books}, path)
        kind: Any = num_codebooks
        name = f"ticodec_1g{num_codebooks}r"
        return TiCodec(name=name, num_codebooks=kind, checkpoint=str(folder), licence="Apache-2.0")

    return make


@pytest.fixture(scope="module")
def speech(short_speech: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return two pieces; at 24 kHz the second has 18,002 samples, which is 56 frames and a part of one."""
    return [short_speech[0][4000:20_000], short_speech[1][4000:16_001]]


def encode(tokenizer: TiCodec, wav: torch.Tensor) -> torch.Tensor:
    codes, lengths = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
    assert int(lengths[0]) == codes.shape[2]
    return codes[0]


def kept_codes(upstream: dict[str, np.ndarray], name: str) -> torch.Tensor:
    return torch.from_numpy(upstream[name].astype(np.int64))


@pytest.mark.parametrize("num_codebooks", [1, 2, 4])
def test_codes_are_those_of_upstream(
    num_codebooks: int,
    make: Callable[..., TiCodec],
    upstream: dict[str, np.ndarray],
    speech: list[torch.Tensor],
    same_codes: Callable[..., None],
) -> None:
    """Compare codes; seeded by name, upstream's smaller models give the first rows of the largest."""
    tokenizer = make(num_codebooks)
    theirs = [kept_codes(upstream, f"codes_{row}")[:num_codebooks] for row in range(2)]
    pairs = [(encode(tokenizer, wav), codes) for wav, codes in zip(speech, theirs, strict=True)]
    same_codes(tokenizer.name, UPSTREAM, pairs, note=NOTE)


def test_the_time_invariant_codes_are_those_of_upstream(
    make: Callable[..., TiCodec], upstream: dict[str, np.ndarray], speech: list[torch.Tensor]
) -> None:
    tokenizer = make(4)
    for row, wav in enumerate(speech):
        assert torch.equal(tokenizer.extract_side_info(wav), kept_codes(upstream, f"global_{row}"))


@pytest.mark.parametrize(("source", "target"), [(0, 0), (1, 1), (0, 1)])
def test_the_decoder_gives_what_upstream_gives(
    make: Callable[..., TiCodec], upstream: dict[str, np.ndarray], source: int, target: int
) -> None:
    codes = kept_codes(upstream, f"codes_{source}")[None]
    voice = kept_codes(upstream, f"global_{target}")
    wav = make(4)._decode_with(codes, torch.tensor([codes.shape[2]]), [voice])[0]
    assert len(wav) == HOP * codes.shape[2]
    theirs = torch.from_numpy(upstream[f"wav_{source}{target}"])
    assert torch.equal(torch.from_numpy(upstream["wav_00"]), theirs) is ((source, target) == (0, 0))
    torch.testing.assert_close(wav[WINDOW], theirs, atol=1e-4, rtol=0)


def test_a_last_frame_that_is_not_whole_gives_no_code(
    make: Callable[..., TiCodec], speech: list[torch.Tensor]
) -> None:
    samples = len(resample(speech[1].numpy(), 16_000, 24_000))
    assert samples % HOP
    assert encode(make(1), speech[1]).shape[1] == samples // HOP


def test_books_named_as_before_the_release_are_read(
    make: Callable[..., TiCodec], upstream: dict[str, np.ndarray], speech: list[torch.Tensor]
) -> None:
    def rename(books: dict[str, torch.Tensor]) -> None:
        for index in range(INVARIANT_CODES):
            book = books.pop(f"quantizer_modules_globaltokens.{index}.embedding.weight")
            books[f"quantizer_modules3.{index}.embedding.weight"] = book

    voice = make(2, rename).extract_side_info(speech[0])
    assert torch.equal(voice, kept_codes(upstream, "global_0"))


def test_what_is_wrong_with_a_checkpoint_is_said(
    make: Callable[..., TiCodec], speech: list[torch.Tensor]
) -> None:
    def shorten(books: dict[str, torch.Tensor]) -> None:
        del books["quantizer_modules2.0.embedding.weight"]

    with pytest.raises(UserError, match=r"no TiCodec checkpoint; it lacks 'quantizer_modules2\.0"):
        encode(make(2, shorten), speech[0])
    twice = make(1, lambda books: None)  # a new function, so that the folder is not shared
    weights = next((twice.folder / "logs_conv_only").rglob("g_*"))
    weights.with_name("g_00000001").write_bytes(weights.read_bytes())
    with pytest.raises(UserError, match=r"must have one file .* has g_00000001, g_00300000"):
        encode(twice, speech[0])


def test_other_numbers_of_codebooks_are_refused() -> None:
    three: Any = 3
    with pytest.raises(UserError, match=r"num_codebooks of ticodec 3.*Legal: 1, 2, 4"):
        TiCodec(name="ticodec", num_codebooks=three, checkpoint="nowhere")
