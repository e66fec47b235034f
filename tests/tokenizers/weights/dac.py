from pathlib import Path

from transformers import DacConfig, DacModel

from benchmark.tokenizers.dac import BOOKS, Dac

RATIOS = {16_000: [2, 4, 5, 8], 24_000: [2, 4, 5, 8]}


def write(tokenizer: Dac, folder: Path) -> None:
    ratios = RATIOS[tokenizer.sample_rate]
    config = DacConfig(
        encoder_hidden_size=4,
        decoder_hidden_size=64,
        downsampling_ratios=ratios,
        upsampling_ratios=ratios[::-1],
        n_codebooks=BOOKS[tokenizer.sample_rate],
        sampling_rate=tokenizer.sample_rate,
    )
    model = DacModel(config)
    for name, parameter in model.named_parameters():
        if "quantizer" in name and parameter.ndim > 1:  # initialised so small that the first code always wins
            parameter.data.normal_(std=parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
