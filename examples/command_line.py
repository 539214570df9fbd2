"""The common command line of the programs: --seed, --plot, and one clear error for impossible options."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def new_parser(description: str | None, plot: str, seed: str = "of all random numbers") -> argparse.ArgumentParser:
    """A parser for a program with this docstring. plot: the plot's default name; seed: the help text of --seed."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help=seed)
    parser.add_argument("--plot", type=Path, default=plot, help="where to plot")
    return parser


def parse(parser: argparse.ArgumentParser, argv: list[str] | None, above_0: str) -> argparse.Namespace:
    """The options. It is an error if an option in above_0 is not a number above 0, if the seed is below 0, or if the plot's
    folder does not exist."""
    options = parser.parse_args(argv)
    for name in above_0.split():
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            parser.error(f"--{name.replace('_', '-')} must be a number above 0, not {value}")
    if options.seed < 0:
        parser.error(f"--seed must be 0 or more, not {options.seed}")
    check_folder(parser, options.plot)
    return options


def check_folder(parser: argparse.ArgumentParser, path: Path) -> None:
    if not path.parent.is_dir():
        parser.error(f"there is no folder {path.parent} to write {path.name} into")
