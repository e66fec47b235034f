import tomllib
from pathlib import Path

from l3ac import CONFIG_DIR, EnCodec, ModelConfig

from benchmark.tokenizers.l3ac import L3ac


def write(tokenizer: L3ac, folder: Path) -> None:
    """Real widths, which are in the package and not in the checkpoint."""
    config = tomllib.loads((Path(CONFIG_DIR) / f"{tokenizer.model}.toml").read_text())
    network = EnCodec(ModelConfig(**config["network_config"]))
    network.quantizer.project_in.weight.data *= 20.0  # or all frames fall into the middle cell
    (folder / "weights").mkdir(exist_ok=True)
    network.save_model(model_path=folder / "weights" / f"{tokenizer.model}.v1")
