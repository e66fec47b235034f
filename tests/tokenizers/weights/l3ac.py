import tomllib
from pathlib import Path

from l3ac import CONFIG_DIR, EnCodec, ModelConfig

from benchmark.tokenizers.l3ac import L3ac


def write(tokenizer: L3ac, folder: Path) -> None:
    """Write random weights at the real widths, which the package fixes and the checkpoint cannot change."""
    config = tomllib.loads((Path(CONFIG_DIR) / f"{tokenizer.model}.toml").read_text())
    network = EnCodec(ModelConfig(**config["network_config"]))
    network.quantizer.project_in.weight.data *= 20.0  # else all frames fall into the middle cell
    (folder / "weights").mkdir(exist_ok=True)
    network.save_model(model_path=folder / "weights" / f"{tokenizer.model}.v1")
