"""Prediction targets of the probes of this package, with networks of about the trained size."""

from benchmark.models.probes.asr import make_asr_probe
from benchmark.models.probes.classifier import IntentProbe
from benchmark.models.probes.phones import PhoneProbe
from benchmark.models.probes.units import Characters
from benchmark.tasks.costs import ProbeHead

INTENTS, PHONES = 60, 45
"""Approximate numbers of intents in SLURP and of English phones.

The exact numbers would change a probe's number of parameters by less than 1 %.
"""

TRANSCRIPTS = ProbeHead("asr", lambda spec, config: make_asr_probe(spec, config, Characters()))
INTENT = ProbeHead("intent", lambda spec, config: IntentProbe(spec, config, INTENTS))
FRAME_PHONES = ProbeHead("phones", lambda spec, config: PhoneProbe(spec, config, PHONES), False)
