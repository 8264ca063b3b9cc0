"""The page in a real browser: it renders, can be used with mouse and keyboard, and says nothing to the console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ember_jit import explain, write_report
from tests.report.html import browser
from tests.report.html.operators import HOSTILE, INPUTS, Answer, Hostile, many_calls

REASON = browser.missing()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)
IMAGES = Path(__file__).parents[3] / "docs" / "images"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    driver = browser.start()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "answer": write_report(Answer(), folder / "answer.html", INPUTS, 1),
        "many": write_report(many_calls(folder), folder / "many.html", 1, 1),
        "hostile": write_report(Hostile(), folder / "hostile.html", 1, 1),
        "notebook": folder / "notebook.html",
    }
    shown = explain(Answer())._repr_html_() + explain(Hostile())._repr_html_()
    made["notebook"].write_text(f"<!doctype html><meta charset=utf-8><body>{shown}")
    return made


class Page:
    """A page that is open, and shorthands for what one does with it."""

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver = driver
        driver.get_log("browser")
        driver.get(path.as_uri())
        self.js("try { localStorage.clear() } catch {}")

    def js(self, code: str, *args: Any) -> Any:
        return self.driver.execute_script(code, *args)

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        return [each.text for each in self.all(selector)]

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def focused(self, what: str = "outerHTML") -> str:
        return str(self.js(f"return document.activeElement.{what}"))

    def shown_calls(self) -> int:
        return int(
            self.js(
                "return [...document.querySelectorAll('#list li')].filter(e => !e.hidden).length"
            )
        )


@pytest.fixture
def answer(chromium: Any, pages: dict[str, Path]) -> Iterator[Page]:
    page = Page(chromium, pages["answer"])
    yield page
    assert chromium.get_log("browser") == []


# ---------------------------------------------------------------------- it renders
def test_the_graph_renders_with_its_critical_path(answer: Page) -> None:
    assert answer.js("return document.documentElement.dataset.ready") == "true"
    nodes = answer.all("#graph-whole .node")
    assert len(nodes) == len(explain(Answer()).calls)
    boxes = [node.rect for node in nodes]
    assert all(box["width"] > 60 and box["height"] > 15 for box in boxes)
    overlapping = [
        (a, b)
        for index, a in enumerate(boxes)
        for b in boxes[:index]
        if abs(a["x"] - b["x"]) < a["width"] - 1 and abs(a["y"] - b["y"]) < a["height"] - 1
    ]
    assert not overlapping
    assert len(answer.all(".edge.critical")) == len(explain(Answer()).critical_path) - 1
    assert answer.js("return performance.getEntriesByType('resource').length") == 0


def test_a_click_on_a_call_shows_its_effect_and_its_lines(answer: Page) -> None:
    answer.one("#graph-whole .node[data-id='s4']").click()
    details = answer.one("#details").text
    assert "self.save(inputs=best)" in details
    assert "its effect is not known to be harmless" in details
    assert "let Save return the value" in answer.one("#details .fix").text
    assert answer.one("#list .selected code").text == "self.save(inputs=best)"
    assert "self.save(inputs=best)" in answer.one("#code-source .pinned").text
    assert any("_w.parked(4)" in text for text in answer.texts("#code-issue .pinned"))
    # from one call to another
    answer.one("#list button[data-id='s0']").click()
    answer.one("#details .links button").click()
    assert "#1" in answer.one("#details").text
    assert len(answer.all(".graph .node.selected")) == 1


def test_a_click_on_a_line_of_the_source_or_on_a_bar_selects(answer: Page) -> None:
    answer.js("document.querySelector('#code').scrollIntoView()")
    line = next(each for each in answer.all("#code-source .ln") if "checks =" in each.text)
    line.click()
    assert "self.search(inputs=best)" in answer.one("#details h2").text
    answer.js("document.querySelector('#run').scrollIntoView()")
    answer.js(
        "document.querySelector(\".gantt .task[data-id='s1'] .bar\").dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    assert "self.recall(inputs=inputs['topic'])" in answer.one("#details h2").text


def test_lines_light_up_together(answer: Page) -> None:
    from selenium.webdriver import ActionChains

    line = next(each for each in answer.all("#code-source .ln") if "notes =" in each.text)
    answer.js("arguments[0].scrollIntoView({block: 'center'})", line)
    ActionChains(answer.driver).move_to_element(line).perform()
    assert any("_w.call(1," in text for text in answer.texts("#code-issue .ln.lit"))
    answer.one("#tab-retire").click()
    assert answer.one("#program-retire").is_displayed()
    assert not answer.one("#program-issue").is_displayed()


# ---------------------------------------------------------------------- filters
def test_filters(answer: Page) -> None:
    every = len(explain(Answer()).calls)
    choose = "document.querySelector(`input[name=state][value=${arguments[0]}]`).click()"
    answer.js(choose, "inorder")
    assert answer.shown_calls() == 1
    assert answer.one("#shown").text == f"1 of {every} calls"
    assert len(answer.all("#graph-whole .node:not(.out)")) == 1
    answer.js(choose, "ahead")
    assert answer.shown_calls() == sum(call.ahead for call in explain(Answer()).calls)
    answer.js(choose, "all")
    answer.one(".pill[data-effect=query]").click()
    assert answer.shown_calls() == sum(call.effect != "query" for call in explain(Answer()).calls)
    answer.one(".pill[data-effect=query]").click()
    answer.one("#search").send_keys("recall")
    assert answer.shown_calls() == 2
    answer.one("#search").send_keys(" nothing is called that")
    assert answer.one("#none").is_displayed()
    answer.keys("\ue00c")
    assert answer.shown_calls() == every
    assert not answer.all(".node.out")


# ---------------------------------------------------------------------- the keyboard
def test_the_keyboard_reaches_everything(answer: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    answer.js("document.activeElement.blur()")
    answer.js("window.getSelection().removeAllRanges()")
    seen: list[str] = []
    for _ in range(60):
        answer.keys(Keys.TAB)
        name = answer.js(
            "const e = document.activeElement; "
            "return e === document.body ? '' : e.closest('[id]')?.id + ' ' + (e.getAttribute('class') || e.tagName)"
        )
        if not name or name in seen[:1]:
            break
        seen.append(name)
        assert answer.js(
            "const s = getComputedStyle(document.activeElement); return document.activeElement.matches(':focus-visible')"
        )
    reached = "\n".join(seen)
    for part in (
        "theme",
        "search",
        "pill",
        "zoom-in",
        "node",
        "list",
        "code-source",
        "tab-issue",
        "task",
    ):
        assert part in reached, (part, seen)
    assert len(seen) < 40  # arrows inside the parts: Tab need not pass every call


def test_arrows_go_from_call_to_call_and_enter_selects(answer: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    answer.js("document.querySelector('.graph .node[tabindex=\"0\"]').focus()")
    first = answer.focused("dataset.id")
    visited = {first}
    for key in [Keys.ARROW_RIGHT] * 4 + [Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_LEFT] * 5:
        answer.keys(key)
        visited.add(answer.focused("dataset.id"))
    assert len(visited) >= 5
    answer.keys(Keys.ENTER)
    assert answer.one(".graph .node.selected").get_attribute("data-id") == answer.focused(
        "dataset.id"
    )
    answer.keys(Keys.ESCAPE)
    assert not answer.all(".selected")
    assert "Select a call" in answer.one("#details").text
    answer.js("document.querySelector('#list button[tabindex=\"0\"]').focus()")
    for _ in range(20):
        answer.keys(Keys.ARROW_DOWN)
    last = explain(Answer()).calls[-1]
    assert answer.focused("dataset.id") == f"s{last.number}"
    answer.keys(Keys.ENTER)
    assert last.text in answer.one("#details h2").text
    answer.keys("/")
    assert answer.focused("id") == "search"


def test_zoom_by_keyboard_and_buttons(answer: Page) -> None:
    box = "return document.querySelector('#graph-whole').getAttribute('viewBox')"
    before = answer.js(box)
    answer.one("#zoom-in").click()
    nearer = answer.js(box)
    assert float(nearer.split()[2]) < float(before.split()[2])
    answer.js("document.querySelector('.graph .node[tabindex=\"0\"]').focus()")
    answer.keys("-")
    assert float(answer.js(box).split()[2]) > float(nearer.split()[2])
    answer.one("#zoom-fit").click()
    nodes = answer.all("#graph-whole .node")
    frame = answer.one("#graph-whole").rect
    assert all(
        frame["x"] - 1 <= node.rect["x"] and frame["y"] - 1 <= node.rect["y"] for node in nodes
    )


def test_moving_with_the_mouse(answer: Page) -> None:
    from selenium.webdriver import ActionChains

    box = "return document.querySelector('#graph-whole').getAttribute('viewBox').split(' ').map(Number)"
    left, top, *_ = answer.js(box)
    graph = answer.one("#graph-whole")
    answer.js("arguments[0].scrollIntoView({block: 'center'})", graph)
    width, height = graph.rect["width"], graph.rect["height"]
    chain = ActionChains(answer.driver).move_to_element_with_offset(
        graph, int(-width / 2) + 12, int(-height / 2) + 12
    )
    chain.click_and_hold().move_by_offset(40, 30).release().perform()
    moved = answer.js(box)
    assert moved[0] < left
    assert moved[1] < top


# ---------------------------------------------------------------------- colours
def brightness(page: Page, selector: str, of: str) -> float:
    colour = page.js(
        f"return getComputedStyle(document.querySelector(arguments[0])).{of}", selector
    )
    parts = [float(each) for each in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(parts) / 3


def test_dark_as_the_system_says_and_by_the_switch(answer: Page) -> None:
    def system(value: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": value}]
        answer.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    system("light")
    assert brightness(answer, "body", "backgroundColor") > 200
    system("dark")
    assert brightness(answer, "body", "backgroundColor") < 60
    assert brightness(answer, "body", "color") > 200
    assert brightness(answer, ".node .box", "fill") < 80
    answer.one("#theme").click()  # light, whatever the system says
    assert answer.one("#theme").text == "Light"
    assert brightness(answer, "body", "backgroundColor") > 200
    system("light")
    answer.one("#theme").click()
    assert answer.one("#theme").text == "Dark"
    assert brightness(answer, "body", "backgroundColor") < 60
    answer.one("#theme").click()
    assert answer.one("#theme").text == "Auto"


# ---------------------------------------------------------------------- text of the program
def test_nothing_of_the_program_runs(chromium: Any, pages: dict[str, Path]) -> None:
    page = Page(chromium, pages["hostile"])
    page.one(".graph .node[data-id='s0']").click()
    assert HOSTILE in page.one("#details").text
    for node in page.all("#list button"):
        node.click()
    assert page.js("return window.pwned") is None
    assert not page.all("img")
    assert chromium.get_log("browser") == []


def test_a_notebook_shows_it(chromium: Any, pages: dict[str, Path]) -> None:
    page = Page(chromium, pages["notebook"])
    assert page.js("return window.pwned") is None
    assert len(page.all(".ember-jit svg g")) >= len(explain(Answer()).calls)
    page.all("details summary")[4].click()
    assert "its effect is not known" in page.all("details")[4].text
    assert chromium.get_log("browser") == []


# ---------------------------------------------------------------------- many calls
def test_four_hundred_calls_are_folded_and_unfolded(chromium: Any, pages: dict[str, Path]) -> None:
    page = Page(chromium, pages["many"])
    widths = page.js(
        "return [...document.querySelectorAll('.graph .node')].map(e => e.getBoundingClientRect().width)"
    )
    shown = [width for width in widths if width]
    assert 0 < len(shown) < 250
    assert min(shown) > 60  # large enough to read
    page.one("#graph-folded .node.stack").click()
    assert "alike" in page.one("#details").text
    page.one("#fold").click()
    assert page.one("#graph-whole").is_displayed()
    assert len(page.all("#graph-whole .node")) == 410
    page.one("#search").send_keys("a17]")
    assert page.shown_calls() < 5
    assert chromium.get_log("browser") == []


def test_opening_four_hundred_calls_is_bounded_work(pages: dict[str, Path]) -> None:
    """What the time goes into, counted: `python -m benchmarks report` measures the time itself.

    In a browser of its own, whose counts begin with the page.
    """
    driver = browser.start()
    try:
        driver.execute_cdp_cmd("Performance.enable", {})
        Page(driver, pages["many"])
        found = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    finally:
        driver.quit()
    counted = {each["name"]: each["value"] for each in found}
    assert 410 < counted["Nodes"] < 30_000
    assert counted["LayoutCount"] < 20  # the script does not lay the page out anew for each call
    assert counted["JSEventListeners"] < 4_000


# ---------------------------------------------------------------------- the pictures of the documentation
PICTURES = {
    # name: page, width, height, the part of it that is shown, what is done first
    "report": ("answer", 1180, 1000, "", ""),
    "report-dark": ("answer", 1180, 1000, "", "document.documentElement.dataset.theme = 'dark'"),
    "report-code": ("answer", 1500, 900, "#code", ""),
    "report-run": ("answer", 1500, 900, "#run", ""),
    "report-400": ("many", 1180, 1000, "", "document.querySelector('.where').textContent = 'many.py:12'"),
    "notebook": (
        "notebook",
        940,
        860,
        "",
        "document.querySelectorAll('.ember-jit')[1].remove(); document.querySelectorAll('details')[4].open = true",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(
    name: str,
    chromium: Any,
    pages: dict[str, Path],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """Made in every run, so that they can be; kept where the flag says so."""
    source, width, height, part, first = PICTURES[name]
    folder = IMAGES if request.config.getoption("--regenerate-images") else tmp_path
    folder.mkdir(exist_ok=True)
    before = chromium.get_window_size()
    chromium.set_window_size(width, height)
    try:
        page = Page(chromium, pages[source])
        page.js(first or "return 0")
        if source == "answer":
            page.one("#graph-whole .node[data-id='s4']").click()
            page.js("document.activeElement.blur()")
        image = folder / f"{name}.png"
        shown = page.one(part) if part else None
        saved = shown.screenshot(str(image)) if shown else chromium.save_screenshot(str(image))
        assert saved
        assert 10_000 < image.stat().st_size < 400_000
    finally:
        chromium.set_window_size(before["width"], before["height"])
