"""vq-wav2vec and the quantizer of wav2vec 2.0 against fairseq's code in s3prl."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

wav2vec2 = pytest.importorskip("s3prl.upstream.wav2vec2.wav2vec2_model")


@pytest.mark.parametrize("name", ["vq_wav2vec", "vq_wav2vec_gumbel"])
def test_vq_wav2vec_gives_the_same_codes(
    name: str, on_random_weights: Any, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    from s3prl.upstream.vq_wav2vec.expert import UpstreamExpert

    tokenizer = on_random_weights(name)
    original = UpstreamExpert(
        str(tokenizer.folder / tokenizer.files[0])
    ).eval()  # the same file, by their loader
    pairs = []
    for wav in [*speech, *(speech[0][:samples] for samples in (465, 16_001, 20_907))]:
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        with torch.no_grad():
            theirs = original.forward([wav])["codeids"][0].T
        inside = theirs.shape[-1]
        assert inside == (len(wav) - 465) // 160 + 1
        assert int(frames[0]) == -(-len(wav) // 160)
        pairs.append((codes[0, :, 1 : 1 + inside], theirs))
    note = "from one checkpoint file; the frames repeated at the edges are left out"
    same_codes(name, label("s3prl"), pairs, note=note)


def test_vq_wav2vec_with_vectors_of_their_own_for_each_group(
    on_random_weights: Any, short_speech: list[torch.Tensor]
) -> None:
    from s3prl.upstream.vq_wav2vec.expert import UpstreamExpert

    tokenizer = on_random_weights("vq_wav2vec")
    path = tokenizer.folder / tokenizer.files[0]
    content = torch.load(path, weights_only=True)
    shared = content["model_weight"]["vector_quantizer.embedding"]
    content["model_weight"]["vector_quantizer.embedding"] = torch.cat([shared, shared.flip(0)], 1)
    content["model_cfg"]["combine_groups"] = False
    torch.save(content, path)
    wav = short_speech[0]
    codes, _ = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
    with torch.no_grad():
        theirs = UpstreamExpert(str(path)).eval().forward([wav])["codeids"][0].T
    assert torch.equal(codes[0, :, 1 : 1 + theirs.shape[-1]], theirs)


def test_wav2vec2_quantizer_gives_the_same_codes(
    on_random_weights: Any, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    tokenizer = on_random_weights("wav2vec2_vq")
    original = peer_model(tokenizer._model)
    pairs = []
    for wav in speech:
        codes, _ = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        with torch.no_grad():
            _, theirs = original.quantize(torch.nn.functional.layer_norm(wav, wav.shape)[None])
        pairs.append((codes[0], theirs[0].T))
    same_codes("wav2vec2_vq", label("s3prl"), pairs, tolerance=0.001)


def peer_model(ours: Any) -> torch.nn.Module:
    """Build the peer with those weights of transformers' model `ours` that its quantizer reads."""
    config = ours.config
    layers = list(zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True))
    facts = wav2vec2.Wav2Vec2Config(
        extractor_mode="layer_norm",
        conv_feature_layers=str(layers),
        conv_bias=True,
        encoder_layers=1,
        encoder_embed_dim=config.hidden_size,
        encoder_ffn_embed_dim=config.intermediate_size,
        encoder_attention_heads=config.num_attention_heads,
        quantize_targets=True,
        latent_vars=config.num_codevectors_per_group,
        latent_groups=config.num_codevector_groups,
        latent_dim=config.codevector_dim,
    )
    model = wav2vec2.Wav2Vec2Model(facts).eval()
    stem = {
        f"feature_extractor.{name.replace('.conv.', '.0.').replace('.layer_norm.', '.2.1.')}": tensor
        for name, tensor in ours.wav2vec2.feature_extractor.state_dict().items()
    }
    norm = ours.wav2vec2.feature_projection.layer_norm.state_dict()
    books = ours.quantizer.state_dict()
    state = {
        **stem,
        **{f"layer_norm.{name}": tensor for name, tensor in norm.items()},
        "quantizer.vars": books["codevectors"],
        "quantizer.weight_proj.weight": books["weight_proj.weight"],
        "quantizer.weight_proj.bias": books["weight_proj.bias"],
    }
    read = ("feature_extractor.", "layer_norm.", "quantizer.")
    report = model.load_state_dict(state, strict=False)
    assert not report.unexpected_keys
    assert not [name for name in report.missing_keys if name.startswith(read)]
    return model
