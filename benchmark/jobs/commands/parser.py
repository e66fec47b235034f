"""Argument parsers shared by the commands; they print a description as it is written, line by line."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

PROGRAM = "speech-token-benchmark"


def command_parser(command: str, description: str | None) -> ArgumentParser:
    """Return a parser without arguments, whose help shows `description` line by line."""
    return ArgumentParser(
        f"{PROGRAM} {command}", description=description, formatter_class=RawDescriptionHelpFormatter
    )


def sweep_parser(command: str, description: str | None) -> ArgumentParser:
    """Return a parser for the arguments of `run`; call its `parse_intermixed_args`."""
    parser = command_parser(command, description)
    parser.add_argument("overrides", nargs="*", help="Hydra overrides, comma lists and experiment=… included")
    parser.add_argument("-m", "--multirun", action="store_true", help="a sweep over the comma lists")
    parser.add_argument("-cd", "--config-dir", help="a folder of yaml files of your own")
    return parser
