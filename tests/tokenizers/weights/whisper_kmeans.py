from pathlib import Path

from transformers import WhisperConfig, WhisperModel

from benchmark.tokenizers.whisper_kmeans import WhisperKmeans


def write(tokenizer: WhisperKmeans, folder: Path) -> None:
    config = WhisperConfig(
        num_mel_bins=128 if tokenizer.name == "whisper_large_v3" else 80,
        d_model=32,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,  # four times the width, which the original code assumes
        decoder_ffn_dim=64,
        vocab_size=16,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
        init_std=0.2,
    )
    WhisperModel(config).save_pretrained(folder)
