"""Methods of exact builtin and standard library types, as "module:Type" -> rows.

A "pure" method leaves its receiver alone but reads it. A method that changes only its receiver is
"unknown" with `resource="receiver"`: harmless where the receiver is a fresh local.
"""

from __future__ import annotations

from typing import Any

from ember_jit.compiler.analysis.registry.known import (
    CODECS,
    DEEP_VALUE,
    DRAIN,
    NO_CODE,
    VALUE,
    Known,
    Rows,
    effect,
    pure,
)

MUTATORS: frozenset[str] = frozenset(
    [
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "insert",
        "pop",
        "popleft",
        "popitem",
        "remove",
        "discard",
        "clear",
        "sort",
        "reverse",
        "rotate",
        "update",
        "setdefault",
        "add",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
        "move_to_end",
        "subtract",
        "resize",
        "__setitem__",
        "__delitem__",
        "__iadd__",
        "__imul__",
        "__ior__",
        "__iand__",
        "__isub__",
        "__ixor__",
    ]
)
"""Names under which builtin containers are changed in place."""

_ASKS_NO_FIRST = pure(shares=False, shallow=True, untouched=frozenset({0}))
_LIST = pure(fresh="list", shares=False, shallow=True)
_CODEC = pure(shares=False, shallow=True, literals=CODECS)
_LAZY_VIEW = pure(protocol=False, lazy=True, retains=True)
_TYPE_CHECKS = "isalnum isalpha isascii isdigit islower isspace istitle isupper"
_CASES = "capitalize lower swapcase title upper"
_SET_TESTS: tuple[Known, str] = (DRAIN, "isdisjoint issubset issuperset")
_SET_ALGEBRA = "union intersection difference symmetric_difference"


def _fresh(name: str, **flags: Any) -> Known:
    return pure(fresh=name, **flags)


def _changes(what: str, **flags: Any) -> Known:
    return effect(f"changes the {what}", "receiver", **flags)


def _mapping(name: str, copied: Known | None = None) -> Rows:
    """The methods dictionaries share; look-ups ask the key for its hash and equality."""
    return (
        (pure(retains=True, untouched=frozenset({1})), "get"),
        (_LAZY_VIEW, "keys values items"),
        (copied or pure(fresh=name, protocol=False), "copy"),
        (_changes(name, untouched=frozenset({1})), "setdefault pop"),
        (_changes(name, consumes=True), "update"),
        (_changes(name, protocol=False), "popitem clear"),
    )


_BYTES_SCANS: Rows = (
    (NO_CODE, _TYPE_CHECKS),
    (VALUE, "count endswith find hex index rfind rindex startswith"),
    (_CODEC, "decode"),
    (pure(fresh="list", shares=False), "split rsplit splitlines"),
    (DEEP_VALUE, "partition rpartition"),
)
_BYTES_MADE = "center expandtabs ljust lstrip removeprefix removesuffix replace rjust rstrip strip translate zfill"
_DATE = "ctime isocalendar isoformat isoweekday timetuple toordinal weekday"
_PATH_PURE: Rows = (
    (
        pure(shares=False, shallow=True, max_args=1),
        "is_relative_to relative_to with_name with_stem with_suffix match full_match",
    ),
    (pure(shares=False, shallow=True), "as_posix is_absolute joinpath with_segments"),
)
_PATH_IO: Rows = (
    *_PATH_PURE,
    (
        effect("reads the file system", "filesystem", blocking=True),
        "absolute exists expanduser glob group is_block_device is_char_device is_dir is_fifo is_file is_junction "
        "is_mount is_socket is_symlink iterdir lstat owner read_bytes read_text readlink resolve rglob samefile stat "
        "walk",
    ),
    (
        effect("changes the file system", "filesystem", blocking=True),
        "chmod copy copy_into hardlink_to lchmod mkdir move move_into open rename replace rmdir symlink_to touch "
        "unlink write_bytes write_text",
    ),
)
_HASH: Rows = (
    (VALUE, "digest hexdigest"),
    (pure(fresh="HASH", protocol=False), "copy"),
    (_changes("hash"), "update"),
)
_STREAM = "close detach flush read readline readlines seek truncate write writelines"
_LOCK: Rows = ((effect("takes or frees a lock", "lock", blocking=True), "acquire release locked"),)
_LOG: Rows = (
    (
        effect("writes a log record", "log"),
        "debug info warning warn error exception critical fatal log handle callHandlers",
    ),
)

METHODS: dict[str, Rows] = {
    "builtins:str": (
        (NO_CODE, f"{_TYPE_CHECKS} isdecimal isidentifier isnumeric isprintable {_CASES} casefold"),
        (NO_CODE, "lstrip partition removeprefix removesuffix rpartition rstrip strip"),
        (_ASKS_NO_FIRST, "count endswith find index rfind rindex startswith"),
        (pure(shares=False, shallow=True, untouched=frozenset({0, 1})), "replace"),
        (pure(fresh="list", shares=False, shallow=True, untouched=frozenset({0})), "rsplit split"),
        (_LIST, "splitlines"),
        (VALUE, "center expandtabs ljust rjust translate zfill"),
        (pure(consumes=True, shallow=True, shares=False), "join"),
        (DEEP_VALUE, "format format_map"),
        (_CODEC, "encode"),
    ),
    "builtins:bytes": (
        *_BYTES_SCANS,
        (NO_CODE, _CASES),
        (DEEP_VALUE, _BYTES_MADE),
        (DRAIN, "join"),
    ),
    "builtins:bytearray": (
        *_BYTES_SCANS,
        (pure(fresh="bytearray", shares=False, protocol=False), f"{_CASES} copy"),
        (pure(fresh="bytearray", shares=False), _BYTES_MADE),
        (pure(fresh="bytearray", shares=False, consumes=True), "join"),
        (_changes("bytearray", consumes=True), "extend"),
        (_changes("bytearray"), "append insert pop remove resize"),
        (_changes("bytearray", protocol=False), "clear reverse"),
    ),
    "builtins:list": (
        (pure(fresh="list", protocol=False), "copy"),
        (DEEP_VALUE, "count index"),
        (_changes("list", protocol=False), "append clear reverse"),
        (_changes("list", consumes=True, shallow=True), "extend"),
        (_changes("list", shallow=True, untouched=frozenset({1})), "insert"),
        (_changes("list", shallow=True), "pop"),
        (_changes("list"), "remove"),
        (_changes("list", calls_args=True), "sort"),
    ),
    "builtins:tuple": ((DEEP_VALUE, "count index"),),
    "builtins:dict": _mapping("dict"),
    "builtins:set": (
        (pure(fresh="set", protocol=False), "copy"),
        (_fresh("set", consumes=True), _SET_ALGEBRA),
        _SET_TESTS,
        (
            _changes("set", consumes=True),
            "update difference_update intersection_update symmetric_difference_update",
        ),
        (_changes("set"), "add discard remove"),
        (_changes("set", protocol=False), "clear pop"),
    ),
    "builtins:frozenset": (
        (pure(protocol=False, retains=True), "copy"),
        (pure(consumes=True, retains=True), _SET_ALGEBRA),
        _SET_TESTS,
    ),
    "builtins:int": (
        (NO_CODE, "as_integer_ratio bit_count bit_length conjugate is_integer"),
        (VALUE, "to_bytes"),
    ),
    "builtins:bool": (
        (NO_CODE, "as_integer_ratio bit_count bit_length conjugate is_integer"),
        (VALUE, "to_bytes"),
    ),
    "builtins:float": ((NO_CODE, "as_integer_ratio conjugate hex is_integer"),),
    "builtins:complex": ((NO_CODE, "conjugate"),),
    "builtins:range": ((VALUE, "count index"),),
    "builtins:slice": ((VALUE, "indices"),),
    "collections:deque": (
        (pure(fresh="deque", protocol=False), "copy"),
        (DEEP_VALUE, "count index"),
        (_changes("deque", protocol=False), "append appendleft clear pop popleft reverse"),
        (_changes("deque", consumes=True, shallow=True), "extend extendleft"),
        (_changes("deque"), "insert remove rotate"),
    ),
    "collections:Counter": (
        *_mapping("Counter", _fresh("Counter")),
        (_fresh("list"), "most_common"),
        (pure(lazy=True, retains=True), "elements"),
        (pure(), "total"),
        (_changes("Counter", consumes=True), "subtract"),
    ),
    "collections:OrderedDict": (
        *_mapping("OrderedDict", _fresh("OrderedDict")),
        (_changes("OrderedDict"), "move_to_end"),
    ),
    "collections:defaultdict": _mapping("defaultdict"),
    "re:Pattern": (
        (pure(retains=True, shallow=True), "fullmatch match search"),
        (pure(retains=True, shallow=True, lazy=True), "finditer"),
        (_LIST, "findall split"),
        (pure(retains=True, calls_args=True, warns=True), "sub subn"),
    ),
    "re:Match": (
        (pure(shares=False), "end group span start"),
        (pure(retains=True), "groups"),
        (pure(fresh="dict", retains=True), "groupdict"),
        (pure(shares=False, warns=True), "expand"),
    ),
    "datetime:date": ((DEEP_VALUE, f"{_DATE} replace"),),
    "datetime:time": ((pure(retains=True), "dst isoformat replace tzname utcoffset"),),
    "datetime:datetime": (
        (pure(retains=True), f"{_DATE} date dst replace time timetz tzname utcoffset utctimetuple"),
        (effect("reads the local time zone", "clock"), "astimezone timestamp"),
    ),
    "datetime:timedelta": ((NO_CODE, "total_seconds"),),
    "datetime:timezone": ((pure(retains=True), "dst fromutc tzname utcoffset"),),
    "pathlib:PurePath": _PATH_PURE,
    "pathlib:PurePosixPath": _PATH_PURE,
    "pathlib:PureWindowsPath": _PATH_PURE,
    "pathlib:PosixPath": _PATH_IO,
    "pathlib:WindowsPath": _PATH_IO,
    "decimal:Decimal": (
        (
            NO_CODE,
            "adjusted as_integer_ratio as_tuple canonical conjugate copy_abs copy_negate is_canonical is_finite "
            "is_infinite is_nan is_qnan is_signed is_snan is_zero radix",
        ),
        (
            effect("may set a flag in the decimal context", "decimal context"),
            "compare exp fma ln log10 logb max min normalize quantize remainder_near rotate scaleb shift sqrt "
            "to_eng_string to_integral_exact to_integral_value",
        ),
    ),
    "fractions:Fraction": (
        (DEEP_VALUE, "as_integer_ratio conjugate is_integer limit_denominator"),
    ),
    "io:StringIO": ((NO_CODE, "getvalue tell"), (_changes("stream", consumes=True), _STREAM)),
    "io:BytesIO": ((NO_CODE, "getvalue tell"), (_changes("stream", consumes=True), _STREAM)),
    "_hashlib:HASH": _HASH,
    "_hashlib:HASHXOF": _HASH,
    "_blake2:blake2b": _HASH,
    "_blake2:blake2s": _HASH,
    "http.client:HTTPResponse": (
        (
            effect("reads the response", "receiver", blocking=True, shares=False),
            "close read read1 readline readlines",
        ),
    ),
    "_thread:LockType": _LOCK,
    "_thread:RLock": _LOCK,
    "random:Random": (
        (
            effect("advances a random generator", "rng"),
            "getrandbits getstate randbytes random seed setstate",
        ),
    ),
    "logging:Logger": _LOG,
    "logging:RootLogger": _LOG,
}

_DATES = pure(retains=True)
_CLOCK = effect("reads the clock or the local time zone", "clock")

CLASS_METHODS: dict[str, Rows] = {
    "builtins:int": ((DEEP_VALUE, "from_bytes"),),
    "builtins:float": ((VALUE, "fromhex from_number"),),
    "builtins:complex": ((VALUE, "from_number"),),
    "builtins:bytes": ((VALUE, "fromhex"),),
    "builtins:bytearray": ((pure(fresh="bytearray", shares=False), "fromhex"),),
    "builtins:dict": ((pure(fresh="dict", consumes=True, retains=True), "fromkeys"),),
    "collections:OrderedDict": (
        (pure(fresh="OrderedDict", consumes=True, retains=True), "fromkeys"),
    ),
    "itertools:chain": ((pure(lazy=True, retains=True), "from_iterable"),),
    "datetime:date": (
        (_DATES, "fromisocalendar fromisoformat fromordinal"),
        (_CLOCK, "fromtimestamp today"),
    ),
    "datetime:time": ((_DATES, "fromisoformat"),),
    "datetime:datetime": (
        (_DATES, "combine fromisocalendar fromisoformat fromordinal"),
        (_CLOCK, "fromtimestamp now today utcfromtimestamp utcnow"),
    ),
}
"""Class methods called on the class itself: `dict.fromkeys(...)`."""
