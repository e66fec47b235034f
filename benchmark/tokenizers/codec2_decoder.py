"""Program that decodes each Codec 2 utterance in a process of its own; run as a script, never imported.

The C library draws the noise of unvoiced sound from a generator in a static variable that cannot be
reset. Only a process that has not decoded anything yet gives the same sound every time. This program
therefore forks a child for each utterance and decodes nothing itself.

Arguments: bit/s, bytes per frame, and the number of frames of each utterance. Standard input: the packed
frames. Standard output: the samples, int16.
"""

import os
import sys

import pycodec2


def main(bitrate: int, size: int, *lengths: int) -> None:
    """Decode the utterances one by one, each from the generator's initial state."""
    for frames in lengths:
        packed = sys.stdin.buffer.read(frames * size)
        child = os.fork()
        if child == 0:
            codec = pycodec2.Codec2(bitrate)
            blocks = (packed[start : start + size] for start in range(0, len(packed), size))
            sys.stdout.buffer.write(b"".join(codec.decode(block).tobytes() for block in blocks))
            sys.stdout.flush()
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"decoding failed at {bitrate} bit/s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
