"""Choice of the backend of Whisper that reads a checkpoint."""

from benchmark.extractors.asr.faster_whisper import FasterWhisper
from benchmark.extractors.asr.hub_whisper import HubWhisper
from benchmark.extractors.asr.transcriber import Transcriber
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import whisper_backend


def load_transcriber(
    checkpoint: str,
    revision: str | None,
    device: str,
    batch_size: int,
    language: str = "en",
    workers: int = 1,
) -> Transcriber:
    """Return a transcriber for a checkpoint, on the backend that reads its files.

    Args:
        checkpoint: See `checkpoints.resolve`.
        revision: Branch, tag or commit of a hub id.
        device: "cpu" or "cuda".
        batch_size: Windows decoded together.
        language: Language of the speech, ISO 639-1.
        workers: Batches that CTranslate2 decodes side by side on a CPU.

    Raises:
        UserError: the checkpoint is missing or is no Whisper model.
    """
    folder = resolve(checkpoint, revision)
    if whisper_backend(folder) == "ctranslate2":
        return FasterWhisper(folder, checkpoint, batch_size, device, language=language, workers=workers)
    return HubWhisper(folder, checkpoint, batch_size, device, language)
