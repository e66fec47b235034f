"""Training of a probe on the tokens of one tokenizer, with a verdict on convergence."""

from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.convergence import conclude, require_labels, seeded
from benchmark.models.probes.data import Derived, Labelled, join_labels
from benchmark.models.probes.fitting import fit_probe
from benchmark.models.probes.module import Probe
from benchmark.models.probes.predict import answers
from benchmark.models.probes.targets import Target
from benchmark.models.probes.training import Examples, ProbeTraining


def train_probe(kind: type[Target], training: ProbeTraining) -> None:
    """Train a probe; leaves model.safetensors, history.csv and report.json in the training's folder.

    A killed training is resumed from the files in that folder, with the same result.

    Args:
        kind: The probe's target.
        training: Data, config and destination.

    Raises:
        UserError: no utterance of a split has both tokens and an answer, or the config needs codebook vectors
            and there are none.
        ValueError: the number of phones of an utterance differs from its number of upsampled frames.
    """
    target = kind(training)

    def labelled(examples: Examples) -> Labelled:
        tokens, right = examples
        return join_labels(tokens, Derived(right, lambda key: target.encode(right[key])))

    train, dev = labelled(training.train), labelled(training.dev)
    require_labels(train, dev, target.called)
    for split in (train, dev):
        target.accept(split)
    target.save(training.folder)

    def make_probe(config: ProbeConfig, table_dim: int | None) -> Probe:
        with seeded(training.seed):
            return target.network(config, table_dim)

    probe, report = fit_probe(make_probe, training, train, dev)
    given = answers(probe, dev.tokens, list(dev.labels), training.trainer.torch_device)
    conclude(report, target.errors(train, dev, given), training.folder)
