"""The page about an operator of many calls in a real browser: how large it is, and how soon it stands there.

The browser is started once; each opening is a navigation of its own, timed by the browser from the beginning of the
navigation: until the page can be used (its script has run), and until it was first painted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    Bar,
    duration,
    environment,
    headline,
    median,
    positive,
    table,
    write_report,
)
from ember_jit import write_report as write_page
from tests.report.html import browser
from tests.report.html.operators import many_calls

CALLS = 400
OPEN = Bar("seconds until it can be used", 1.0)
SIZE = Bar("MB", 3.0)
#: what is timed: JavaScript that gives milliseconds since the navigation began
MOMENTS = {
    "can be used": "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd",
    "loaded": "return performance.getEntriesByType('navigation')[0].loadEventEnd",
    "first painted": "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--rounds", type=positive, default=7, help="openings that are timed (default 7)"
    )
    parser.add_argument("--calls", type=positive, default=CALLS, help=f"calls (default {CALLS})")


def run(args: argparse.Namespace) -> int:
    """Measure and report; 2 where there is no browser."""
    lacking = browser.missing()
    if lacking:
        print(lacking, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = write_page(many_calls(folder, args.calls), folder / "many.html", 1, 1)
        megabytes = page.stat().st_size / 1e6
        taken = opened(page, args.rounds)
    seconds = {moment: median(times) for moment, times in taken.items()}
    rows = [
        [moment, duration(seconds[moment]), duration(min(times)), duration(max(times))]
        for moment, times in taken.items()
        if times
    ]
    shown = table((f"{args.calls} calls, {megabytes:.2f} MB", "median", "least", "most"), rows)
    bars = [OPEN.line(seconds["can be used"]), SIZE.line(megabytes)]
    report = {
        "benchmark": "report",
        "environment": environment(),
        "calls": args.calls,
        "megabytes": megabytes,
        "seconds": taken,
        "bars": [OPEN.as_json(seconds["can be used"]), SIZE.as_json(megabytes)],
    }
    write_report(args.json, "\n\n".join([headline("report"), shown, "\n".join(bars)]), report)
    return 0


def opened(page: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds to each moment, for each opening but the first, which warms the browser up."""
    taken: dict[str, list[float]] = {moment: [] for moment in MOMENTS}
    driver = browser.start()
    try:
        for turn in range(rounds + 1):
            driver.get("about:blank")
            driver.get(page.as_uri())
            for moment, script in MOMENTS.items():
                found: Any = driver.execute_script(script)
                if turn and found is not None:
                    taken[moment].append(found / 1e3)
    finally:
        driver.quit()
    return taken
