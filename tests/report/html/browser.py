"""A headless Chromium for the tests of the page, or a reason why there is none."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def missing() -> str:
    """What is missing for the tests in a browser; empty if nothing is."""
    if importlib.util.find_spec("selenium") is None:
        return "selenium is not installed (it is in the `dev` extra)"
    if not any(map(shutil.which, _BROWSERS)):
        return "there is no Chromium here (on Debian: apt-get install chromium chromium-driver)"
    if shutil.which("chromedriver") is None:
        return "there is no chromedriver here (on Debian: apt-get install chromium-driver)"
    return ""


def start(width: int = 1360, height: int = 900) -> Any:
    """A browser; whoever starts it quits it.

    As root there is no sandbox; in a container `/dev/shm` is small.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = next(path for path in map(shutil.which, _BROWSERS) if path)
    for each in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
    ):
        options.add_argument(each)
    options.add_argument(f"--window-size={width},{height}")
    options.add_argument("--force-prefers-reduced-motion")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
