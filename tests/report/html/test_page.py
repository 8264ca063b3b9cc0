"""The page as a file: nothing from outside, nothing of the program as markup, small, and readable without script."""

from __future__ import annotations

import doctest
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ember_jit import explain, jit, write_report
from ember_jit.cli import main
from ember_jit.report import layout, markup
from ember_jit.report.html.linked import Line, programs, source_lines
from ember_jit.report.layout import GAP_X, HEIGHT, WIDTH, lay_out
from ember_jit.report.markup import Markup, element, json_island
from ember_jit.report.survey import survey
from tests.report.html.operators import (
    HOSTILE,
    INPUTS,
    Answer,
    Hostile,
    Norm,
    Rank,
    Save,
    many_calls,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "answer.html"
    return write_report(Answer(), path, INPUTS, repeat=1).read_text()


# ---------------------------------------------------------------------- what is in it
def test_it_asks_nothing_of_the_network(page: str) -> None:
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:|//)""", page)
    assert page.count("<link") == 1  # the icon, which is empty
    assert "@import" not in page


def test_every_call_is_there_with_its_effect_and_reason(page: str) -> None:
    made = explain(Answer())
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))["calls"]  # type: ignore[union-attr]
    assert [call["text"] for call in data] == [call.text for call in made.calls]
    save = next(call for call in data if call["text"].startswith("self.save"))
    assert save["state"] == "inorder"
    assert save["why"].startswith("its effect is not known")
    assert save["fix"].startswith("let Save return the value instead of storing it")
    for call in made.calls:  # also without the script
        assert f"<code>{html.escape(call.text)}</code>" in page


def test_the_run_and_the_figures_are_there(page: str) -> None:
    for words in (
        "A real run",
        "Where the time went",
        "What would help",
        "identical answers",
        "critical path",
    ):
        assert words in page
    assert page.count('class="task ') == 10


def test_without_inputs_nothing_runs(tmp_path: Path) -> None:
    op = Answer()
    text = write_report(op, tmp_path / "r.html").read_text()
    assert op.save.count == 0
    assert "A real run" not in text
    assert "Source and generated code" in text


def test_numeric_regions_and_their_kernels(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    text = write_report(jit(Norm()), tmp_path / "r.html", numpy.arange(5000.0), 1).read_text()
    assert "Numeric regions" in text
    assert "tab-kernels" in text


def test_none_is_an_input(tmp_path: Path) -> None:
    assert "A real run" in write_report(Rank(), tmp_path / "r.html", None, 1).read_text()


@pytest.mark.parametrize("target", [Answer, Save(), lambda inputs: inputs])
def test_what_is_not_compiled_has_a_page_as_well(target: Any, tmp_path: Path) -> None:
    text = write_report(target, tmp_path / "r.html").read_text()
    assert html.escape(explain(target).headline) in text


def test_an_operator_that_raises(tmp_path: Path) -> None:
    text = write_report(Hostile(), tmp_path / "r.html", 1, 1).read_text()
    assert "This run raised ValueError: &lt;/p&gt;&lt;script&gt;" in text


# ---------------------------------------------------------------------- nothing of the program becomes markup
def test_text_of_the_program_is_text(tmp_path: Path) -> None:
    text = write_report(Hostile(), tmp_path / "r.html", 1, 1).read_text()
    assert explain(Hostile()).calls[0].receiver == HOSTILE
    assert text.count("<script") == 2  # the data, and ours
    assert "<img" not in text
    assert "<svg onload" not in text
    outside = re.sub(r'id="data">.*?</script>', "", text)
    assert "onmouseover='" not in outside
    data = json.loads(re.search(r'id="data">(.*?)</script>', text).group(1))["calls"]  # type: ignore[union-attr]
    assert data[0]["receiver"] == HOSTILE


def test_a_notebook_gets_text_as_well() -> None:
    shown = explain(Hostile())._repr_html_()
    assert "<script" not in shown
    assert "<img" not in shown
    assert html.escape(explain(Hostile()).calls[0].text) in shown


def test_markup_escapes_everything_but_markup() -> None:
    assert element("p", {"title": '"<'}, "<b>", Markup("<i>")) == (
        '<p title="&quot;&lt;">&lt;b&gt;<i></p>'
    )
    assert element("p", {"hidden": True, "id": None, "class": False}) == "<p hidden></p>"
    island = json_island("x", {"a": "</script><!--\u2028&"})
    assert island.count("<") == 2
    assert json.loads(re.sub("<[^>]*>", "", island)) == {"a": "</script><!--\u2028&"}
    assert doctest.testmod(markup).failed == 0


# ---------------------------------------------------------------------- many calls
def test_four_hundred_calls(tmp_path: Path) -> None:
    path = write_report(many_calls(tmp_path), tmp_path / "r.html", 1, 1)
    text = path.read_text()
    assert path.stat().st_size < 3_000_000
    assert len(set(re.findall(r'data-key="(s\d+)"', text))) == 410
    folded = text[text.index('id="graph-folded"') :].partition("</svg>")[0]
    assert folded.count('class="node') < 250
    assert 'id="view-whole" hidden' in text


def test_a_notebook_draws_no_graph_of_hundreds(tmp_path: Path) -> None:
    shown = explain(many_calls(tmp_path))._repr_html_()
    assert "<svg" not in shown
    assert "and 210 more" in shown
    assert len(shown) < 400_000


# ---------------------------------------------------------------------- lines that belong together
def test_generated_lines_know_their_source() -> None:
    found = survey(Answer())
    source = source_lines(found)
    by_number = {line.number: line.text for line in source}
    search = next(number for number, text in by_number.items() if "web = self.search" in text)
    issue, retire = programs(found)
    assert (issue.name, retire.name) == ("issue", "retire")
    mine = [line.text.strip() for line in issue.lines if line.source == search]
    assert any("_w.call(0," in text for text in mine)
    assert not any("_w.call(1," in text for text in mine)
    taken = [line.text for line in retire.lines if line.source == search]
    assert any("_w.take(0)" in text for text in taken)
    assert any(text.strip().startswith("web = self.search") for text in taken)  # the plain branch
    assert all(line.source in by_number for line in issue.lines if line.source is not None)


def test_the_source_keeps_the_numbers_of_its_file() -> None:
    lines = source_lines(survey(Answer()))
    file = Path(__file__).with_name("operators.py").read_text().splitlines()
    assert all(line.text == file[line.number - 1][4:] for line in lines)
    assert lines[0] == Line(lines[0].number, lines[0].text, lines[0].number)


# ---------------------------------------------------------------------- layout
def test_layers_follow_the_longest_chain() -> None:
    made = lay_out("abcd", [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")])
    assert made.rows == {"a": 0, "b": 1, "c": 2, "d": 1}
    assert len(made.routes["a", "c"]) == 3  # it bends around the row between
    assert made.routes["a", "b"][0][1] == made.places["a"][1] + HEIGHT / 2


def test_boxes_of_a_row_keep_their_distance_and_a_chain_is_straight() -> None:
    fan = [f"x{number}" for number in range(30)]
    made = lay_out(["a", *fan, "z"], [*(("a", x) for x in fan), *((x, "z") for x in fan)])
    assert {made.layers[x] for x in fan} == {1}
    rows: dict[int, list[float]] = {}
    for node, row in made.rows.items():
        rows.setdefault(row, []).append(made.places[node][0])
    assert max(len(row) for row in rows.values()) <= 12  # a wide layer becomes several rows
    for row in rows.values():
        row.sort()
        assert all(b - a >= WIDTH + GAP_X - 1e-6 for a, b in zip(row, row[1:], strict=False))
    chain = lay_out("abc", [("a", "b"), ("b", "c")])
    assert len({x for x, _ in chain.places.values()}) == 1
    assert min(x for x, _ in made.places.values()) >= WIDTH / 2


def test_a_graph_without_nodes_and_edges_that_lead_back() -> None:
    assert lay_out([], []).places == {}
    assert lay_out("ab", [("b", "a"), ("a", "a"), ("a", "?")]).routes == {}
    assert layout.lay_out("a", []).width == WIDTH


# ---------------------------------------------------------------------- the command line
def test_the_command(tmp_path: Path) -> None:
    target = f"{Path(__file__).with_name('operators.py')}:Answer"
    out = tmp_path / "r.html"
    result = CliRunner().invoke(main, ["report", target, "-o", str(out), "--inputs", json.dumps(INPUTS), "--repeat", "1"])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(out)
    assert "A real run" in out.read_text()


def test_the_command_says_where_it_cannot_write(tmp_path: Path) -> None:
    target = f"{Path(__file__).with_name('operators.py')}:Answer"
    result = CliRunner().invoke(main, ["report", target, "-o", str(tmp_path / "no" / "r.html")])
    assert result.exit_code == 2
    assert "give another file with -o" in result.output
