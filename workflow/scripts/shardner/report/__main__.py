"""Print the summary of a finished run: ``python -m shardner.report results/performance.json``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from shardner.report.performance_file import load_performance
from shardner.report.summary import print_summary


def main() -> None:
    """Print what the terminal shows at the end of a run."""
    parser = argparse.ArgumentParser(description="Print the summary of a finished run.")
    parser.add_argument("performance", type=Path, help="the performance.json of the run")
    given = parser.parse_args()
    print_summary(load_performance(given.performance), Console())


if __name__ == "__main__":
    main()
