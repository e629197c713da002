"""The command of the package: ``focalboost compare``, or ``python -m focalboost compare``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from focalboost.compare import _command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the name of the command. None: those of the process.

    Returns
    -------
    int
        0, or 2 if an option or the table cannot be used.
    """
    parser = argparse.ArgumentParser(
        "focalboost", description="Focal loss for XGBoost and LightGBM."
    )
    parser.add_argument("--version", action="version", version=version("focalboost"))
    _command.add(parser.add_subparsers(metavar="COMMAND"))
    options = parser.parse_args(arguments)
    if "run" not in options:  # no command
        parser.print_help()
        return 0
    options.check(options)
    try:
        return int(options.run(options))
    except ModuleNotFoundError as error:
        print(
            f"focalboost compare needs {error.name}, which is not installed: "
            'pip install "focalboost[compare]"',
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:  # whoever reads the output has seen enough, for example head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
