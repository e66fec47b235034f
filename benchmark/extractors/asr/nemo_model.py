"""Load a NeMo model and transcribe by it; this file runs in the environment that has NeMo.

The calls are those of NeMo 2.0 to 2.6: `ASRModel.restore_from`, and `transcribe` with a list of arrays, which
sets dither and padding to zero by itself and keeps the order of the clips.
"""

from __future__ import annotations

from typing import Any, Callable, Sequence  # noqa: UP035 - Python 3.8 may run this file

import numpy as np


def load(archive: str, device: str) -> Callable[[Sequence[np.ndarray]], list[str]]:
    """Return the transcription function of a .nemo archive, in float32, with NeMo's default decoding."""
    import torch
    from nemo.collections.asr.models import ASRModel

    model = ASRModel.restore_from(archive, map_location=torch.device(device)).float().eval()

    def transcribe(clips: Sequence[np.ndarray]) -> list[str]:
        heard = model.transcribe(list(clips), batch_size=len(clips), verbose=False)
        # Transducers of NeMo below 2.2 give a pair: the best texts, and all hypotheses.
        return [_text(best) for best in (heard[0] if isinstance(heard, tuple) else heard)]

    return transcribe


def _text(found: Any) -> str:
    """Return the text of a hypothesis, of the best of several, or of a text.

    Raises:
        TypeError: there is no text, as in a hypothesis whose tokens NeMo has not decoded.
    """
    best = found[0] if isinstance(found, list) else found
    text = getattr(best, "text", best)
    if not isinstance(text, str):
        raise TypeError(f"NeMo gave {text!r} instead of a text")
    return text.strip()
