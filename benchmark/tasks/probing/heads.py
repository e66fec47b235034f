"""What the probes of this package predict, and about how large their untrained networks are."""

from benchmark.models.probes.asr import make_asr_probe
from benchmark.models.probes.classifier import IntentProbe
from benchmark.models.probes.phones import PhoneProbe
from benchmark.models.probes.units import Characters
from benchmark.tasks.costs import ProbeHead

INTENTS, PHONES = 60, 45
"""About as many as SLURP and English have; they change a probe's size by less than a hundredth."""

TRANSCRIPTS = ProbeHead("asr", lambda spec, config: make_asr_probe(spec, config, Characters()))
INTENT = ProbeHead("intent", lambda spec, config: IntentProbe(spec, config, INTENTS))
FRAME_PHONES = ProbeHead("phones", lambda spec, config: PhoneProbe(spec, config, PHONES), False)
