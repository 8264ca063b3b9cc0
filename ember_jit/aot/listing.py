"""What a bundle holds, for people: the text behind `ember-jit inspect`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ember_jit.aot.loader import Bundle
from ember_jit.aot.manifest import DEFERS, OVERLAPS, PLAIN, Record
from ember_jit.errors import TargetError, near_misses

#: a helper in an issue program, and the number of its site: `_t1 = _w.keep(0, 0, _w.helper(...`
_HELPER = re.compile(r"_w\.keep(?:_pending)?\(\(?(\d+)")


def listing(found: Bundle) -> str:
    """The bundle on one page: for whom it was made, and what becomes of each function."""
    return "\n".join(_lines(found))


def _lines(found: Bundle) -> Iterator[str]:
    manifest, maker = found.manifest, found.manifest.maker
    level = f", python -{'O' * maker.optimize}" if maker.optimize else ""
    yield found.path
    yield f"  made with   ember_jit {maker.ember_jit}, Python {maker.python}{level}"
    yield f"  fits here   {'no: ' + found.misfit if found.misfit else 'yes'}"
    yield f"  digest      {found.digest}"
    units = [record for record in manifest.units if record.form != DEFERS]
    yield ""
    yield f"{len(units)} function{'s' * (len(units) != 1)}"
    width = max((len(_title(record)) for record in units), default=0)
    for record in units:
        yield f"  {_title(record):<{width}}  {_what(found, record)}"
        yield from (f"    {line}" for line in _machine_code(record))
    if manifest.machine:
        yield ""
        yield from _made_for(found)
    counts = {key: len(effects) for key, effects in manifest.effects.items()}
    yield ""
    effects = sum(counts.values())
    yield f"{effects} inferred effect{'s' * (effects != 1)}, each good for one fingerprint"
    twins = len(manifest.units) - len(units)
    if twins:
        have = (
            "function that prints or logs has" if twins == 1 else "functions that print or log have"
        )
        yield f"{twins} {have} a twin that does so in its turn"
    if manifest.notes:
        yield ""
        yield "not in it"
        yield from (f"  {note}" for note in manifest.notes)


def _title(record: Record) -> str:
    return f"{record.module}:{record.name}"


def _what(found: Bundle, record: Record) -> str:
    if record.form == PLAIN:
        return f"left alone: {record.reason}"
    said = record.form
    if record.form == OVERLAPS:
        count = _calls(found, record)
        calls = f"{count} call{'s' * (count != 1)}, issued ahead where their effects allow"
        said = calls if count else "leads to operators in which calls overlap"
    return f"{said} (undecorated)" if record.undecorated else said


def _machine_code(record: Record) -> Iterator[str]:
    """Each site: its lines, what there is code for, and for which processors."""
    for site in record.sites:
        first, last = site["lines"]
        where = f"line {first}" if first == last else f"lines {first}-{last}"
        kind = "region" if "kernels" in site else "loop"
        made = site.get("kernels", site.get("loops", []))
        for each in made:
            values = ", ".join(each.get("seen", each.get("kinds", [])))
            yield f"{kind}, {where}: ({values}) for {', '.join(sorted(each['code']))}"
        if not made:
            yield f"{kind}, {where}: nothing, as it had met no values"


def _made_for(found: Bundle) -> Iterator[str]:
    """For whom the machine code is, and whether that is here."""
    made_for = found.manifest.machine
    yield "machine code"
    yield f"  host        {made_for['processor_name']}"
    yield f"  baseline    {made_for['baseline']}"
    if made_for["numpy"]:
        yield f"  NumPy       {made_for['numpy']}"
    misfit = found.machinery().misfit()
    yield f"  fits here   {f'no: {misfit}' if misfit else f'yes, as {found.machinery().processor()}'}"


def _calls(found: Bundle, record: Record) -> int:
    """How many calls `explain` counts: helpers, which are worked out where they stand, are none of them."""
    texts = [found.text(entry) for entry in record.text]
    helpers = {number for text in texts for number in _HELPER.findall(text)}
    return len(record.plan.get("sites", [])) - len(helpers)


def programs(found: Bundle, name: str) -> str:
    """The generated programs of the functions of this name (`Answer.forward`, or `Answer`), as text.

    Raises:
        TargetError: it holds no such function.
    """
    chosen = [each for each in found.manifest.units if name in (each.name, each.name.split(".")[0])]
    if not chosen:
        names = {
            part for each in found.manifest.units for part in (each.name, each.name.split(".")[0])
        }
        raise TargetError(
            f"{found.path} holds no function {name!r}{near_misses(name, sorted(names))}"
        )
    texts = [found.text(entry) for each in chosen for entry in each.text]
    return "\n\n".join(texts) or f"{name}: {_what(found, chosen[0])}"
