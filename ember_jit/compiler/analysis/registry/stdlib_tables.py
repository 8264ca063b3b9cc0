"""Pure callables of the standard library, by the module they are found in.

Left out on purpose, because "pure" would be wrong: `decimal` arithmetic and constructors (they set
flags in the thread's decimal context), whatever reads the local time zone, and whatever caches into
an object the program can see.
"""

from __future__ import annotations

from ember_jit.compiler.analysis.registry.known import (
    CALLING_ITERATOR,
    DEEP_VALUE,
    DRAIN,
    ITERATOR,
    NO_CODE,
    VALUE,
    VIEW,
    Rows,
    pure,
)

_LIST = pure(fresh="list", shares=False)  # a new list of immutable values
_PICKS = pure(fresh="list", consumes=True, calls_args=True)
_BYTES = pure(shares=False)
_HASH = pure(fresh="HASH", shares=False)
_CODEC = "encoding errors"

STDLIB: dict[str, Rows] = {
    "math": (
        (
            VALUE,
            "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees erf erfc exp exp2 expm1 "
            "fabs factorial floor fma fmod frexp gamma gcd isfinite isinf isnan isqrt lcm ldexp lgamma log log10 "
            "log1p log2 modf nextafter perm pow radians remainder sin sinh sqrt tan tanh trunc ulp isclose hypot",
        ),
        (DRAIN, "fsum dist sumprod"),
        (pure(consumes=True, retains=True), "prod"),
    ),
    "cmath": (
        (
            VALUE,
            "acos acosh asin asinh atan atanh cos cosh exp isclose isfinite isinf isnan log log10 phase polar rect "
            "sin sinh sqrt tan tanh",
        ),
    ),
    "operator": (
        (NO_CODE, "is_ is_not is_none is_not_none"),
        (DEEP_VALUE, "eq ne lt le gt ge"),
        (
            VALUE,
            "not_ truth index length_hint inv invert neg abs truediv floordiv pow lshift rshift",
        ),
        # + and * copy lists, % formats, & | - ^ build sets; pos may be the operand itself
        (pure(), "add sub mul mod and_ or_ xor matmul concat"),
        (VIEW, "getitem pos"),
        (DRAIN, "contains countOf indexOf"),
        (pure(retains=True, protocol=False), "attrgetter itemgetter methodcaller"),
    ),
    "itertools": (
        (ITERATOR, "chain count cycle islice pairwise repeat tee zip_longest batched"),
        (pure(lazy=True, retains=True), "compress"),  # asks its selectors for their truth
        (
            pure(lazy=True, retains=True, shallow=True, consumes=True),
            "combinations combinations_with_replacement permutations product",
        ),
        (CALLING_ITERATOR, "accumulate dropwhile filterfalse groupby starmap takewhile"),
    ),
    "functools": (
        (pure(calls_args=True, consumes=True, retains=True), "reduce"),
        (pure(retains=True, protocol=False), "partial cmp_to_key"),
    ),
    "string": ((VALUE, "capwords"),),
    "re": (
        # re.DEBUG prints, so an entry holds without flags only
        (pure(shares=False, warns=True, max_args=1, bad_keywords="flags"), "compile"),
        (VALUE, "escape"),
        (
            pure(retains=True, warns=True, max_args=2, bad_keywords="flags"),
            "match fullmatch search",
        ),
        (pure(retains=True, lazy=True, warns=True, max_args=2, bad_keywords="flags"), "finditer"),
        (pure(fresh="list", shares=False, warns=True, max_args=2, bad_keywords="flags"), "findall"),
        (pure(fresh="list", shares=False, warns=True, max_args=3, bad_keywords="flags"), "split"),
        (
            pure(calls_args=True, retains=True, warns=True, max_args=4, bad_keywords="flags"),
            "sub subn",
        ),
    ),
    "json": (
        (
            pure(
                shares=False,
                bad_keywords="cls object_hook object_pairs_hook array_hook parse_float parse_int parse_constant",
            ),
            "loads",
        ),
        (pure(calls_args=True, shares=False, bad_keywords="cls"), "dumps"),
    ),
    "textwrap": (
        (_LIST, "wrap"),
        (DEEP_VALUE, "fill shorten dedent"),
        (pure(calls_args=True, shares=False), "indent"),
    ),
    "html": ((VALUE, "escape"), (pure(retains=True), "unescape")),  # no "&": the argument itself
    "base64": (
        (
            _BYTES,
            "b64encode b64decode standard_b64encode standard_b64decode urlsafe_b64encode urlsafe_b64decode b32encode "
            "b32decode b32hexencode b32hexdecode b16encode b16decode a85encode a85decode b85encode b85decode "
            "z85encode z85decode encodebytes decodebytes",
        ),
    ),
    "hashlib": (
        (
            _HASH,
            "new md5 sha1 sha224 sha256 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512 shake_128 shake_256 "
            "blake2b blake2s",  # "HASH" for all of them
        ),
        (_BYTES, "pbkdf2_hmac scrypt"),
    ),
    "hmac": ((pure(calls_args=True, shares=False), "digest"),),
    "zlib": ((_BYTES, "compress decompress crc32 adler32"),),
    "binascii": (
        (
            _BYTES,
            "hexlify unhexlify b2a_hex a2b_hex b2a_base64 a2b_base64 b2a_qp a2b_qp crc32 crc_hqx",
        ),
    ),
    "struct": (
        (_BYTES, "pack unpack unpack_from calcsize"),
        (pure(retains=True, lazy=True), "iter_unpack"),
    ),
    "statistics": (
        (
            pure(consumes=True),
            "mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped mode "
            "pstdev pvariance stdev variance covariance correlation linear_regression",
        ),
        (pure(consumes=True, fresh="list"), "multimode quantiles"),
    ),
    "fractions": ((DEEP_VALUE, "Fraction"),),
    "datetime": ((pure(shallow=True, retains=True), "date time datetime timedelta timezone"),),
    "copy": (
        (pure(retains=True), "copy"),
        (pure(shares=False, max_args=1, bad_keywords="memo"), "deepcopy"),
    ),
    "heapq": (
        (_PICKS, "nlargest nsmallest"),
        (CALLING_ITERATOR, "merge"),
    ),
    "bisect": ((pure(calls_args=True, shares=False), "bisect bisect_left bisect_right"),),
    "collections": (
        (pure(fresh="deque", consumes=True, shallow=True), "deque"),
        (pure(fresh="Counter", consumes=True, retains=True), "Counter"),
        (pure(fresh="OrderedDict", consumes=True, retains=True), "OrderedDict"),
        # the factory is called by later look-ups, not now
        (pure(fresh="defaultdict", consumes=True, retains=True), "defaultdict"),
        (pure(fresh="ChainMap", retains=True), "ChainMap"),
    ),
    "types": ((pure(fresh="SimpleNamespace", retains=True), "SimpleNamespace"),),
    "urllib.parse": (
        (pure(shares=False, max_args=2, bad_keywords=_CODEC), "quote quote_plus"),
        (pure(shares=False, max_args=1, bad_keywords=_CODEC), "unquote unquote_plus"),
        (pure(shares=False), "quote_from_bytes"),
        (pure(retains=True), "unquote_to_bytes"),
        (pure(shares=False), "urlparse urlsplit urlunparse urlunsplit urljoin urldefrag"),
        (pure(shares=False, max_args=3, calls_args=True, bad_keywords=_CODEC), "urlencode"),
        (pure(fresh="dict", shares=False, max_args=3, bad_keywords=_CODEC), "parse_qs"),
        (pure(fresh="list", shares=False, max_args=3, bad_keywords=_CODEC), "parse_qsl"),
    ),
    "difflib": (
        (pure(fresh="list", consumes=True), "get_close_matches"),
        (pure(lazy=True, retains=True), "unified_diff context_diff"),
        (CALLING_ITERATOR, "ndiff"),
    ),
    "unicodedata": (
        (
            pure(shallow=True, retains=True),  # with a default to hand back
            "decimal digit numeric name",
        ),
        (
            VALUE,
            "lookup category bidirectional combining east_asian_width mirrored decomposition normalize is_normalized",
        ),
    ),
    "colorsys": ((VALUE, "rgb_to_yiq yiq_to_rgb rgb_to_hls hls_to_rgb rgb_to_hsv hsv_to_rgb"),),
    "ipaddress": (
        (
            DEEP_VALUE,
            "ip_address ip_network ip_interface IPv4Address IPv6Address IPv4Network IPv6Network IPv4Interface "
            "IPv6Interface v4_int_to_packed v6_int_to_packed",
        ),
    ),
    "uuid": ((DEEP_VALUE, "UUID uuid3 uuid5"),),
    "dataclasses": (
        (pure(calls_args=True), "asdict astuple"),
        (pure(retains=True), "replace"),
        (VALUE, "is_dataclass"),
    ),
    "typing": ((pure(protocol=False, retains=True), "cast"),),
    "time": ((pure("waits, no effect", blocking=True, shallow=True, shares=False), "sleep"),),
    "posixpath": (
        (
            VALUE,
            "join split splitext splitdrive splitroot basename dirname normcase normpath isabs",
        ),
    ),
    "ntpath": ((VALUE, "join split splitext splitdrive splitroot basename dirname"),),
    "genericpath": ((DRAIN, "commonprefix"),),
    "pathlib": ((VALUE, "PurePath PurePosixPath PureWindowsPath Path PosixPath WindowsPath"),),
    "fnmatch": ((pure(shares=False), "fnmatchcase translate"),),
    "shlex": ((VALUE, "quote"), (DRAIN, "join")),
    "io": (
        (pure(fresh="StringIO", shares=False), "StringIO"),
        (pure(fresh="BytesIO", shares=False), "BytesIO"),
    ),
}
