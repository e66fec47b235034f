"""Prediction targets of the probes of this package, with networks of about the trained size."""

from benchmark.models.probes.asr import make_asr_probe
from benchmark.models.probes.classifier import IntentProbe
from benchmark.models.probes.phones import PhoneProbe
from benchmark.models.probes.targets import FramePhones, Intents, Scenarios, Transcripts
from benchmark.models.probes.units import Characters
from benchmark.tasks.costs import ProbeHead

INTENTS, SCENARIOS, PHONES = 60, 18, 45
"""Numbers of intents (approximate) and of scenarios in SLURP, and of English phones (approximate).

The exact numbers would change a probe's number of parameters by less than 1 %.
"""

TRANSCRIPTS = ProbeHead(Transcripts, lambda spec, config: make_asr_probe(spec, config, Characters()))
INTENT = ProbeHead(Intents, lambda spec, config: IntentProbe(spec, config, INTENTS))
SCENARIO = ProbeHead(Scenarios, lambda spec, config: IntentProbe(spec, config, SCENARIOS))
FRAME_PHONES = ProbeHead(FramePhones, lambda spec, config: PhoneProbe(spec, config, PHONES), False)
