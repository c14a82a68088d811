"""The command line: `ferrograd demo`, `ferrograd config`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Runs a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="ferrograd", description="A small, fast, readable neural-network library.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    demo = commands.add_parser("demo", help="train a convolutional network on real handwritten digits")
    demo.add_argument("--data", type=Path, metavar="DIR", help="MNIST's IDX files, instead of scikit-learn's digits")
    demo.add_argument(
        "--epochs", type=_positive, metavar="N", help="passes over the training set (default: 40; MNIST: 12)"
    )
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="of the weights and the batches (default: 0)")
    demo.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="for the picture and the weights (default: out)"
    )
    demo.add_argument("--plain", action="store_true", help="one line an epoch instead of progress bars; for logs")
    commands.add_parser("config", help="version, instruction set, threads, memory")
    args = parser.parse_args(argv)
    if args.command == "config":
        import ferrograd as fg

        fg.show_config()
        return 0
    from .data import DataError
    from .demo import run

    try:
        return run(data=args.data, epochs=args.epochs, seed=args.seed, out=args.out, plain=args.plain)
    except (DataError, OSError) as why:
        print(f"ferrograd demo: {why}", file=sys.stderr)
        return 2


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
