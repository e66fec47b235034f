"""Serve one model to a parent process over pipes; this script runs in another Python environment.

That environment needs NumPy and the model's own packages, but not this package, and may have an older Python.
The parent imports this module for its functions that read and write messages.

A message is four bytes that name the protocol, the length of a header (uint32), the header (JSON), and the
bytes of the arrays that the header describes. All numbers are little-endian.
"""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import sys
import threading
import time
from typing import IO, Any, Callable, Sequence  # noqa: UP035 - Python 3.8 runs this file

import numpy as np

PROTOCOL = b"stb1"
"""Name of the protocol; another version has another name."""
DTYPES = ("float32", "int64")
"""Types of arrays that can be sent: samples or features, and codes."""
WATCH = 1.0
"""Seconds between looks at the parent, without which the child ends."""

Model = Callable[[Sequence[np.ndarray]], Sequence[Any]]
"""Function from clips to one answer per clip: an array, or a value that JSON can hold."""


class ProtocolError(Exception):
    """Raised for bytes that are no message."""


def write_message(stream: IO[bytes], header: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
    """Write one message.

    Raises:
        TypeError: an array has a type that is not one of `DTYPES`.
    """
    for array in arrays:
        if array.dtype.name not in DTYPES:
            raise TypeError(f"an array to send must be {' or '.join(DTYPES)}, not {array.dtype.name}")
    facts = [[array.dtype.name, list(array.shape)] for array in arrays]
    content = json.dumps({**header, "arrays": facts}).encode()
    stream.write(PROTOCOL + struct.pack("<I", len(content)) + content)
    for array in arrays:
        stream.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read one message; return its header and its arrays.

    Raises:
        EOFError: the other side has ended, before a message or within one.
        ProtocolError: the bytes are no message of this protocol.
    """
    start = _read(stream, 8)
    if start[:4] != PROTOCOL:
        raise ProtocolError(f"expected a message of protocol {PROTOCOL!r}, not {start[:4]!r}")
    header = json.loads(_read(stream, struct.unpack("<I", start[4:])[0]))
    arrays = []
    for name, shape in header.pop("arrays"):
        if name not in DTYPES:
            raise ProtocolError(f"expected arrays of {' or '.join(DTYPES)}, not {name!r}")
        dtype = np.dtype(name).newbyteorder("<")
        content = _read(stream, int(np.prod(shape)) * dtype.itemsize)
        arrays.append(np.frombuffer(content, dtype).reshape(shape).astype(name))
    return header, arrays


def _read(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content


def answer(model: Model, clips: Sequence[np.ndarray]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return header and arrays of the message that answers a batch of clips; arrays are null in the header.

    Raises:
        ValueError: the model gave another number of answers than there are clips.
    """
    answers = list(model(clips))
    if len(answers) != len(clips):
        raise ValueError(f"the model gave {len(answers)} answers to {len(clips)} clips")
    places = [place for place, value in enumerate(answers) if isinstance(value, np.ndarray)]
    plain = [None if isinstance(value, np.ndarray) else value for value in answers]
    return {"answers": plain, "places": places}, [answers[place] for place in places]


def serve(inbox: IO[bytes], outbox: IO[bytes]) -> None:
    """Load the model that the first message names, then answer batches until the parent ends."""
    try:
        header, _ = read_message(inbox)
        model = _load(header["script"])(**header["settings"])
    except BaseException as error:  # a library may also call sys.exit
        write_message(outbox, {"refused": describe(error)})
        return
    write_message(outbox, {"ready": True})
    while True:
        try:
            _, clips = read_message(inbox)
        except EOFError:
            return
        try:
            reply = answer(model, clips)
        except Exception as error:
            reply = {"error": describe(error)}, []
        write_message(outbox, *reply)


def _load(script: str) -> Callable[..., Model]:
    """Return the function `load` of a file of Python code."""
    spec = importlib.util.spec_from_file_location("served_model", script)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load


def describe(error: BaseException) -> str:
    """Return type and message of an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def end_without(parent: int) -> None:
    """End this process once its parent has died, even while the model hangs."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


def main() -> None:
    """Serve over the pipes that are standard input and output, which nobody else gets to see.

    The descriptors of both are moved, so that what a library reads or prints, also below Python, cannot break
    the framing: it prints to standard error.
    """
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.path.pop(0)  # the folder of this script, whose modules are not for the model
    threading.Thread(target=end_without, args=(os.getppid(),), daemon=True).start()
    serve(inbox, outbox)


if __name__ == "__main__":
    main()
