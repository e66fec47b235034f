from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmark.data.audio import resample

peer = pytest.importorskip("encodec")

PARAMETERS = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}


def peer_model(ours: Any) -> Any:
    """Build the peer with the weights of transformers' model `ours`."""
    from encodec.modules import SEANetDecoder, SEANetEncoder
    from encodec.quantization import ResidualVectorQuantizer

    config = ours.config
    sizes = {
        "dimension": config.hidden_size,
        "n_filters": config.num_filters,
        "lstm": config.num_lstm_layers,
        "causal": True,
    }
    books = ResidualVectorQuantizer(config.hidden_size, config.num_quantizers, config.codebook_size)
    model = peer.EncodecModel(
        SEANetEncoder(**sizes), SEANetDecoder(**sizes), books, config.target_bandwidths, 24_000, 1
    )
    places = model.state_dict()
    model.load_state_dict({renamed(name, places): tensor for name, tensor in ours.state_dict().items()})
    return model.eval()


def renamed(name: str, places: dict[str, torch.Tensor]) -> str:
    for ours, theirs in PARAMETERS.items():
        name = name.replace(ours, theirs)
    if name.startswith("quantizer."):
        return name.replace("quantizer.layers", "quantizer.vq.layers").replace(".codebook.", "._codebook.")
    name = name.replace("coder.layers.", "coder.model.").replace(".conv.", ".conv.conv.")
    return name if name in places else name.replace(".conv.conv.", ".convtr.convtr.")


@pytest.mark.parametrize("name", ["encodec_24khz_1k5", "encodec_24khz_3k0", "encodec_24khz"])
def test_the_same_codes_and_sound_as_the_original(
    name: str, on_random_weights: Any, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    tokenizer = on_random_weights(name)
    original = peer_model(tokenizer._model)
    original.set_target_bandwidth(tokenizer.bandwidth)
    pairs = []
    for wav in speech:
        wav = wav[: len(wav) // 640 * 640]  # whole frames at 24 kHz
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        native = torch.from_numpy(resample(wav.numpy(), 16_000, 24_000))
        with torch.no_grad():
            ((theirs, _),) = original.encode(native[None, None])
            sound = original.decode([(theirs, None)])[:, 0]
        pairs.append((codes[0], theirs[0]))
        torch.testing.assert_close(tokenizer._decode(codes, frames), sound, atol=1e-6, rtol=0)
    same_codes(name, label("encodec"), pairs)


def test_a_last_frame_of_speech_and_padding_is_the_only_one_that_may_differ(
    on_random_weights: Any, speech: list[torch.Tensor]
) -> None:
    tokenizer = on_random_weights("encodec_24khz")
    original = peer_model(tokenizer._model)
    original.set_target_bandwidth(tokenizer.bandwidth)
    for samples in (16_001, 17_700):
        wav = speech[0][:samples]
        codes, _ = tokenizer.encode(wav[None], torch.tensor([samples]))
        native = torch.from_numpy(resample(wav.numpy(), 16_000, 24_000))
        with torch.no_grad():
            ((theirs, _),) = original.encode(native[None, None])
        assert codes.shape == theirs.shape
        assert torch.equal(codes[..., :-1], theirs[..., :-1])
