from pathlib import Path

from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel

from benchmark.tokenizers.w2vbert_kmeans import W2vBertKmeans


def write(tokenizer: W2vBertKmeans, folder: Path) -> None:
    config = Wav2Vec2BertConfig(
        hidden_size=32,
        num_hidden_layers=tokenizer.layer + 1,
        num_attention_heads=2,
        intermediate_size=64,
        output_hidden_size=32,
        initializer_range=0.05,
    )
    Wav2Vec2BertModel(config).save_pretrained(folder)
