"""Decodes Codec 2 frames in processes of their own: run as a program, never imported.

Unvoiced sound is noise, drawn from a generator in a static variable of the C library that nothing
can reset. Only a process in which nothing has been decoded yet gives the same sound every time, so
this one forks a child for each utterance and decodes nothing itself.

Arguments: bit/s, bytes per frame, and the frames of each utterance. Standard input: the frames,
packed. Standard output: the samples, int16.
"""

import os
import sys

import pycodec2


def main(bitrate: int, size: int, *lengths: int) -> None:
    """Decode one utterance after the other, each from the generator's first state."""
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
