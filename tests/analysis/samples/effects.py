"""Functions with source, of which both analyses find the effect."""

import json
import math
import operator
import random
import time

LOG = []
LIMIT = 5
NAMES = ["a", "b"]
TABLE = {"a": 1}
state = {"n": 0}


def _helper(x):
    return x + 1


def _effect(x):
    LOG.append(x)


class _Box:
    def __init__(self, x):
        self.x = x

    @property
    def noisy(self):
        LOG.append(1)


BOX = _Box(1)


def constant(inputs):
    return 1


def arithmetic(inputs):
    return inputs["a"] * 2 + LIMIT - 1


def comparison(inputs):
    return inputs["a"] < 3 <= inputs["b"] != 4


def boolean(inputs):
    return inputs["a"] and not inputs["b"] or None


def conditional(inputs):
    return inputs["a"] if inputs["b"] else inputs["c"]


def formatted(inputs):
    return f"{inputs['a']!r:>10} {inputs['b']:.2f} {LIMIT}"


def percent(inputs):
    return "%s %d" % (inputs["a"], inputs["b"])


def displays(inputs):
    return [1, inputs], (2, inputs), {3, 4}, {"k": inputs}


def spread(inputs):
    return [*inputs["xs"], 1], {**inputs, "a": 1}


def slices(inputs):
    return inputs["xs"][1:-1], inputs["s"][::2], inputs["xs"][inputs["i"]]


def appends(inputs):
    out = []
    for x in inputs["xs"]:
        out.append(x)
    return out


def counts(inputs):
    n = 0
    for x in inputs["xs"]:
        if x:
            n += 1
    return n


def builds(inputs):
    found = {}
    for k, v in inputs.items():
        found[k] = v
    return found


def unpacks(inputs):
    a, (b, c), *rest = inputs["xs"]
    return a, b, c, rest


def listed(inputs):
    return [x + 1 for x in inputs["xs"] if x > 0]


def setted(inputs):
    return {x % 3 for x in inputs["xs"]}


def mapped(inputs):
    return {k: v * 2 for k, v in inputs.items()}


def summed(inputs):
    return sum(x * x for x in inputs["xs"])


def nested(inputs):
    return [[y + 1 for y in x] for x in inputs["xs"]]


def keyed(inputs):
    return sorted(inputs["xs"], key=lambda d: d["k"])


def closure(inputs):
    bound = inputs["n"]

    def inner(x):
        return x + bound

    return inner(1)


def helped(inputs):
    return _helper(inputs["n"])


def modules(inputs):
    return math.sqrt(inputs["n"]), json.dumps(inputs)


def zipped(inputs):
    return [a + b for a, b in zip(inputs["xs"], inputs["ys"])]


def numbered(inputs):
    return [(i, x) for i, x in enumerate(inputs["xs"])]


def words(inputs):
    return " ".join(inputs["text"].lower().strip().split())


def global_list(inputs):
    return [name for name in NAMES if name in inputs]


def waits(inputs):
    time.sleep(0.001)
    return inputs


def handled(inputs):
    try:
        return int(inputs["a"])
    except (ValueError, KeyError):
        return None
    finally:
        pass


def raises(inputs):
    if not inputs:
        raise ValueError("empty")
    return inputs


def asserted(inputs):
    assert inputs["n"] > 0, "positive"
    return inputs["n"]


def looped(inputs):
    n = inputs["n"] + 0
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        if n == 7:
            continue
        if n == 9:
            break
    else:
        return 0
    return n


def walrus(inputs):
    if (n := len(inputs["xs"])) > 2:
        return n
    return 0


def matched(inputs):
    match inputs:
        case {"k": value}:
            return value
        case [first, *_]:
            return first
        case _:
            return None


def made(inputs):
    box = _Box(inputs["x"])
    return box


def imported(inputs):
    import math as m

    return m.floor(inputs["n"])


def keyword_only(inputs, *, scale=2):
    return inputs["n"] * scale


def starred(*args, **words):
    return len(args) + len(words)


def appends_global(inputs):
    LOG.append(inputs)


def stores_global(inputs):
    global LIMIT
    LIMIT = inputs


def stores_item(inputs):
    state["n"] = 1


def counts_item(inputs):
    state["n"] += 1


def stores_argument(inputs):
    inputs["a"] = 1


def deletes_argument(inputs):
    del inputs["a"]


def changes_argument(inputs):
    inputs["xs"].append(1)


def in_place(inputs):
    xs = inputs["xs"]
    xs += [1]
    return xs


def stores_attribute(inputs):
    BOX.x = inputs


def reads_property(inputs):
    return BOX.noisy


def calls_argument(inputs):
    return inputs["f"](1)


def calls_effect(inputs):
    return _effect(inputs)


def effect_in_comprehension(inputs):
    return [_effect(x) for x in inputs]


def effect_in_generator(inputs):
    return any(_effect(x) for x in inputs)


def effect_in_lambda(inputs):
    return lambda: _effect(inputs)


def effect_in_key(inputs):
    return sorted(inputs, key=_effect)


def assigns_outer(inputs):
    n = 0

    def inner():
        nonlocal n
        n += 1

    inner()
    return n


def prints(inputs):
    print(inputs)


def clock(inputs):
    return time.time()


def draws(inputs):
    return random.random()


def opens(inputs):
    with open(inputs["path"]) as file:
        return file.read()


def yields(inputs):
    yield inputs


def advances(inputs):
    return next(inputs["it"])


def computed_attribute(inputs):
    return getattr(inputs, "x")


def mutable_default(inputs, seen=[]):
    seen.append(inputs)
    return seen


def sorts_argument(inputs):
    inputs["xs"].sort()


def operator_in_place(inputs):
    return operator.iadd(inputs["a"], inputs["b"])


def decorated(inputs):
    @_effect
    def inner():
        return 1

    return inner


def evaluates(inputs):
    return eval("1")
