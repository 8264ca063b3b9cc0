"""An explanation in a notebook: `explain(op)` as the last line of a cell.

A piece of HTML without script (notebooks take it out of what is not trusted): the headline, the graph, and a line for
each call that opens to show the rest.  Its style holds for it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ember_jit.report.layout import HEIGHT, WIDTH, curve, lay_out
from ember_jit.report.markup import Markup, element, join
from ember_jit.report.text import nearby

if TYPE_CHECKING:
    from ember_jit.report.explanation import Call, Explanation

_MOST_DRAWN = 60
_MOST_LISTED = 200
_MARGIN = 10.0
_STYLE = """
.ember-jit { font: 14px/1.5 system-ui, sans-serif; max-width: 900px; color: inherit; }
.ember-jit b { font-weight: 600; } .ember-jit .soft { opacity: .68; font-size: 12.5px; }
.ember-jit code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; background: none; color: inherit; }
.ember-jit svg { max-width: 100%; max-height: 420px; margin: 10px 0; display: block; }
.ember-jit svg text { fill: currentColor; font-size: 12.5px; }
.ember-jit svg rect { fill: none; stroke: currentColor; stroke-opacity: .3; stroke-width: 1.3; }
.ember-jit svg .ahead rect { stroke: #12927f; stroke-opacity: 1; } .ember-jit svg .critical rect { stroke: #e8590c; stroke-width: 2.4; stroke-opacity: 1; }
.ember-jit svg path { fill: none; stroke: currentColor; stroke-opacity: .4; stroke-width: 1.4; }
.ember-jit svg path.critical { stroke: #e8590c; stroke-opacity: 1; stroke-width: 2.4; }
.ember-jit details { border-top: 1px solid rgb(128 128 128 / 25%); padding: 3px 0; }
.ember-jit summary { cursor: pointer; } .ember-jit dl { margin: 4px 0 8px 22px; } .ember-jit dd { margin: 0 0 4px; } .ember-jit dt { opacity: .68; font-size: 12px; }
.ember-jit .tag { font-size: 11.5px; border-radius: 9px; padding: 1px 8px; margin-left: 8px; background: rgb(128 128 128 / 16%); }
.ember-jit .tag.ahead { background: rgb(18 146 127 / 18%); } .ember-jit .tag.critical { background: rgb(232 89 12 / 20%); }
"""


def fragment(made: Explanation) -> str:
    """The explanation as HTML for a notebook."""
    path = [step.number for step in made.critical_path]
    listed = [_details(call, call.number in path) for call in made.calls[:_MOST_LISTED]]
    if len(made.calls) > _MOST_LISTED:
        more = len(made.calls) - _MOST_LISTED
        listed.append(
            element("p", {"class": "soft"}, f"and {more} more: print it, or write_report()")
        )
    return element(
        "div",
        {"class": "ember-jit"},
        element("style", None, Markup(_STYLE)),
        element("b", None, made.name),
        element("div", None, made.headline),
        element("div", {"class": "soft"}, f"{nearby(made.file)}:{made.line}"),
        _graph(made, path),
        *listed,
        *(
            element("p", {"class": "soft"}, f"line {each.line}: {each.reason}")
            for each in made.barriers
        ),
    )


def _graph(made: Explanation, path: list[int]) -> Markup:
    """The call sites and what they wait for, if they are few enough to be read at this size."""
    calls = {
        str(call.number): call for call in made.calls if call.number is not None and not call.helper
    }
    if not 1 < len(calls) <= _MOST_DRAWN:
        return Markup()
    waits = [(str(source), name) for name, call in calls.items() for source in call.waits_for]
    placed = lay_out(sorted(calls, key=int), waits)
    hot = set(zip(map(str, path), map(str, path[1:]), strict=False))
    lines = []
    for edge, route in placed.routes.items():
        marked = {"d": curve(route), "class": "critical" if edge in hot else None}
        lines.append(element("path", marked))
    boxes = []
    for name, (x, y) in placed.places.items():
        call = calls[name]
        classes = [*(["ahead"] if call.ahead else []), *(["critical"] if int(name) in path else [])]
        label = call.text.partition("(")[0][:24]
        box = {"x": x - WIDTH / 2, "y": y - HEIGHT / 2, "width": WIDTH, "height": HEIGHT, "rx": 8}
        boxes.append(
            element(
                "g",
                {"class": " ".join(classes)},
                element("rect", box),
                element("text", {"x": x, "y": y - 3, "text-anchor": "middle"}, label),
                element(
                    "text",
                    {"x": x, "y": y + 14, "text-anchor": "middle", "opacity": 0.68},
                    f"line {call.line} · {call.effect}",
                ),
                element("title", None, call.text),
            )
        )
    width, height = placed.width + 2 * _MARGIN, placed.height + 2 * _MARGIN
    size = {
        "viewBox": f"{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}",
        "width": f"{min(width, 880):.0f}",
        "role": "img",
        "aria-label": f"dataflow graph of {made.name}",
    }
    return element("svg", size, join(lines), join(boxes))


def _details(call: Call, critical: bool) -> Markup:
    state = "overlapped" if call.ahead else "helper" if call.helper else "in order"
    tags = [element("span", {"class": f"tag {'ahead' if call.ahead else ''}"}, state)]
    if critical:
        tags.append(element("span", {"class": "tag critical"}, "critical"))
    rows = [("effect", f"{call.effect}: {call.evidence}")]
    if call.overlaps:
        rows.append(("may be in flight beside", ", ".join(f"#{each}" for each in call.overlaps)))
    if call.waits_for:
        rows.append(("waits for", ", ".join(f"#{each}" for each in call.waits_for)))
    if call.why:
        rows.append(("why", f"{call.why} ({nearby(call.place)})" if call.place else call.why))
    if call.fix:
        rows.append(("what would free it", call.fix))
    number = f"#{call.number} " if call.number is not None else ""
    return element(
        "details",
        None,
        element(
            "summary",
            None,
            element("span", {"class": "soft"}, f"{number}line {call.line} "),
            element("code", None, call.text),
            *tags,
        ),
        element(
            "dl",
            None,
            *(
                part
                for key, value in rows
                for part in (element("dt", None, key), element("dd", None, value))
            ),
        ),
    )
