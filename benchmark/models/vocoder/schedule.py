"""The learning rate as a function of the generator step, so that a resumed run needs no state."""

from math import cos, pi

from benchmark.models.vocoder.config import OptimizerConfig


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return the learning rate of generator step `step` (from 0) of a budget of `steps`."""
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.decay == "cosine":
        return config.lr * warmup * 0.5 * (1 + cos(pi * step / steps))
    passed = sum(step >= milestone * steps for milestone in config.milestones)
    return config.lr * warmup * 0.5**passed
