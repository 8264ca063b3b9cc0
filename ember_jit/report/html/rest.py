"""What stays in order, the operators that are held, remarks: tables at the end of the page."""

from __future__ import annotations

from collections.abc import Sequence

from ember_jit.report.explanation import Explanation
from ember_jit.report.html.parts import panel
from ember_jit.report.markup import Markup, element


def rest(made: Explanation) -> list[Markup]:
    """Barriers, stretches that stay in order, the operators it holds, remarks."""
    found: list[Markup] = []
    if made.barriers or made.left_alone:
        rows = [(str(each.line), each.text, each.reason, each.fix) for each in made.barriers]
        rows += [
            (
                f"{each.first}–{each.last}" if each.first != each.last else str(each.first),
                "",
                each.reason,
                each.fix,
            )
            for each in made.left_alone
        ]
        found.append(
            panel(
                "barriers",
                "What stays in order",
                body=_table(("line", "code", "why", "what would free it"), rows, 1),
            )
        )
    if made.regions:
        rows = [
            (
                f"{each.first}–{each.last}" if each.first != each.last else str(each.first),
                each.text,
                f"{', '.join(each.fused)}; ends at {each.boundary}"
                if each.boundary
                else ", ".join(each.fused),
                each.left
                or "; ".join(f"{', '.join(one.seen)}: {one.outcome}" for one in each.specialised)
                or "not run yet",
            )
            for each in made.regions
        ]
        heads = ("line", "code", "what is fused", "kernels so far")
        found.append(panel("regions", "Numeric regions", body=_table(heads, rows, 1)))
    if made.parts:
        rows = [(each.attribute, each.operator, each.effect, each.evidence) for each in made.parts]
        found.append(
            panel(
                "parts",
                "The operators that it holds",
                body=_table(("attribute", "operator", "effect", "how that is known"), rows, 0),
            )
        )
    notes = [*made.remarks, *made.internal_errors]
    if notes:
        listed = element("ul", {"class": "notes"}, *(element("li", None, each) for each in notes))
        found.append(panel("notes", "Remarks", body=listed))
    return found


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], code_column: int) -> Markup:
    cells = [
        element(
            "tr",
            None,
            *(
                element(
                    "td",
                    None,
                    element("code", None, each) if index == code_column and each else each,
                )
                for index, each in enumerate(row)
            ),
        )
        for row in rows
    ]
    titles = element("tr", None, *(element("th", {"scope": "col"}, each) for each in heads))
    table = element(
        "table", {"class": "plain"}, element("thead", None, titles), element("tbody", None, *cells)
    )
    return element("div", {"class": "scroll"}, table)
