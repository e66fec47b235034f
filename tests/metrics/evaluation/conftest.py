import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from joblib.externals import cloudpickle

sys.path.insert(0, str(Path(__file__).parent))
import toys

from benchmark.data.audio import header, write_audio
from benchmark.data.manifest import Manifest
from benchmark.metrics.evaluation.evaluate import Speech
from benchmark.types import Utterance

cloudpickle.register_pickle_by_value(toys)  # worker processes cannot import it

MakeSpeech = Callable[..., Speech]


@pytest.fixture
def make_speech(tmp_path: Path) -> MakeSpeech:
    """Return a function that makes originals of peak 0.5 and decoded signals of given peaks.

    A peak of None stands for a failed decoding.
    """

    def make(peaks: list[float | None], source: str = "a", texts: list[str | None] | None = None) -> Speech:
        folder = tmp_path / source
        folder.mkdir()
        originals, decoded, failures = [], {}, {}
        for number, peak in enumerate(peaks):
            name = f"u{number}"
            path = tmp_path / f"{name}.wav"
            write_audio(path, 0.5 * hum(1600 + 160 * number))
            text = "1 6" if texts is None else texts[number]
            originals.append(Utterance(name, str(path), f"s{number % 2}", *header(path), text=text))
            if peak is None:
                failures[name] = "no codes"
            else:
                decoded[name] = folder / f"{name}.wav"
                write_audio(decoded[name], peak * hum(1600 + 160 * number))
        return Speech(originals=Manifest(originals), decoded=decoded, failures=failures, source=source)

    return make


def hum(samples: int) -> np.ndarray:
    """Make a signal of peak 1 that is not periodic within the delay search window."""
    wav = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    return wav / wav.max() * 0.999
