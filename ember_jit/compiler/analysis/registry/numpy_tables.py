"""NumPy: functions that make a new array, functions that return a view, and functions that write.

Everything here is `protocol`: an object array, a subclass or an `__array_function__` runs user code.
"Plain" for NumPy means an exact `ndarray` of a numeric, boolean or string type, or a Python number.
All of it `warns`: floating-point errors go to the error state of the calling context.
"""

from __future__ import annotations

from typing import Any

from ember_jit.compiler.analysis.registry.known import Known, Rows, effect, pure


def _array(max_args: int | None = None, bad: str = "out", **flags: Any) -> Known:
    return pure(fresh="ndarray", warns=True, max_args=max_args, bad_keywords=bad, **flags)


def _view(max_args: int | None = None, bad: str = "out", **flags: Any) -> Known:
    return pure(retains=True, warns=True, max_args=max_args, bad_keywords=bad, **flags)


_PAIR = pure(
    warns=True, bad_keywords="out"
)  # several arrays, or a value: new, but not one container
_WRITES = effect("changes the array", "argument", protocol=True)

UFUNCS_1 = (
    "absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil conjugate cos cosh deg2rad degrees exp exp2 expm1 "
    "fabs floor invert isfinite isinf isnan log log10 log1p log2 logical_not negative positive rad2deg radians "
    "reciprocal rint sign signbit sin sinh spacing sqrt square tan tanh trunc bitwise_count"
)
UFUNCS_2 = (
    "add arctan2 bitwise_and bitwise_or bitwise_xor copysign divide equal float_power floor_divide fmax fmin fmod gcd "
    "greater greater_equal heaviside hypot lcm ldexp left_shift less less_equal logaddexp logaddexp2 logical_and "
    "logical_or logical_xor matmul maximum minimum multiply nextafter not_equal power remainder right_shift subtract "
    "vecdot matvec vecmat"
)

NUMPY: dict[str, Rows] = {
    "numpy": (
        (_array(1), UFUNCS_1),
        (_array(2), UFUNCS_2),
        (pure(warns=True, max_args=1, bad_keywords="out"), "frexp modf"),
        (pure(warns=True, max_args=2, bad_keywords="out"), "divmod"),
        # constructors. np.array(x, copy=False) may be x
        (_array(2, "copy out"), "array"),
        (_array(), "zeros ones empty full eye identity arange logspace geomspace tri"),
        (_array(4, "retstep"), "linspace"),
        (_array(), "zeros_like ones_like empty_like full_like diagflat vander indices"),
        (_array(), "hanning hamming blackman bartlett kaiser"),
        (_array(consumes=True), "fromiter"),
        (_array(1), "copy"),
        # reductions; the position of out differs
        (
            _array(3),
            "sum prod mean std var cumsum cumprod nansum nanprod nanmean nanstd nanvar nancumsum nancumprod",
        ),
        (
            _array(2),
            "max min amax amin all any argmax argmin ptp nanmax nanmin nanargmax nanargmin",
        ),
        (_array(2, "out overwrite_input"), "median nanmedian"),
        (_array(3, "out overwrite_input"), "percentile quantile nanpercentile nanquantile"),
        (_array(3, "returned"), "average"),
        (_array(), "count_nonzero bincount corrcoef cov trapezoid"),
        (_array(5), "trace"),
        # values from values
        (_array(3), "clip take compress"),
        (_array(2), "dot outer choose concatenate stack"),
        (_array(1), "isposinf isneginf"),
        # the argument itself where there is nothing to do
        (_view(2), "round around"),
        (_view(1), "fix"),
        (_view(), "diff polyder polyint histogram histogram2d histogramdd histogram_bin_edges"),
        (_array(1, "copy"), "nan_to_num"),
        (_array(), "vstack hstack dstack column_stack tile repeat roll append insert delete"),
        (_array(2, "mode"), "pad"),  # mode may be a function
        (
            _array(),
            "argsort sort argpartition partition lexsort searchsorted digitize argwhere flatnonzero",
        ),
        (_array(), "isclose isin in1d union1d setdiff1d setxor1d unique_values"),
        (_array(3, "return_indices"), "intersect1d"),
        (
            _array(),
            "inner vdot tensordot kron cross convolve correlate interp ediff1d angle sinc i0 unwrap",
        ),
        (_array(), "polyval polyadd polysub polymul roots triu tril extract packbits unpackbits"),
        (_array(), "select resize isreal iscomplex"),
        (_view(), "einsum"),  # einsum("ii->i", a) is a view
        (_PAIR, "where nonzero unique gradient polyfit"),
        (pure(warns=True, bad_keywords="copy"), "meshgrid"),
        (_PAIR, "triu_indices tril_indices diag_indices unravel_index ravel_multi_index polydiv"),
        (
            pure(shares=False, warns=True),
            "allclose array_equal array_equiv ndim shape size isscalar iscomplexobj",
        ),
        (pure(shares=False, warns=True), "isrealobj can_cast"),
        # scalar types and dtypes
        (
            pure(warns=True, retains=True),
            "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ complex64 complex128",
        ),
        # may be the argument, or share its memory
        (
            _view(),
            "asarray asanyarray ascontiguousarray asfortranarray atleast_1d atleast_2d atleast_3d broadcast_to",
        ),
        (
            _view(),
            "broadcast_arrays diag diagonal expand_dims fliplr flip flipud imag moveaxis ravel real reshape",
        ),
        (_view(), "rollaxis rot90 squeeze swapaxes transpose frombuffer trim_zeros"),
        (_view(), "split array_split hsplit vsplit dsplit real_if_close"),
        (_view(calls_args=True), "apply_along_axis apply_over_axes piecewise fromfunction"),
        (_WRITES, "copyto fill_diagonal place put put_along_axis putmask"),
        (
            effect("changes NumPy's settings", "process"),
            "seterr seterrcall setbufsize set_printoptions",
        ),
        (
            effect("reads or writes a file", "filesystem", blocking=True),
            "save savez savez_compressed savetxt",
        ),
        (
            effect("reads or writes a file", "filesystem", blocking=True),
            "load loadtxt genfromtxt fromfile",
        ),
    ),
    "numpy.linalg": (
        (
            _array(),
            "cholesky cond det eigvals eigvalsh inv matrix_rank norm pinv solve svdvals tensorinv tensorsolve",
        ),
        (_array(), "matrix_norm vector_norm"),
        (_view(), "matrix_power multi_dot"),
        (_PAIR, "eig eigh lstsq qr slogdet svd"),
    ),
    "numpy.fft": (
        (_array(4), "fft ifft rfft irfft hfft ihfft"),
        (_view(4), "fft2 ifft2 fftn ifftn rfft2 irfft2 rfftn irfftn"),  # axes=() is the argument
        (_array(), "fftfreq rfftfreq fftshift ifftshift"),
    ),
}

NUMPY_METHODS: dict[str, Rows] = {
    "numpy:ndarray": (
        (_array(2), "sum prod mean std var cumsum cumprod clip take compress"),
        (_array(1), "max min all any argmax argmin ptp choose dot"),
        (_array(4), "trace"),
        (_view(1), "round"),
        (_array(1, "copy"), "astype"),
        (_array(), "argsort argpartition copy flatten repeat searchsorted"),
        (_PAIR, "nonzero"),
        (pure(), "item tobytes tolist"),
        (_view(), "conj conjugate diagonal ravel reshape squeeze swapaxes transpose view"),
        (
            effect("changes the array", "receiver"),
            "fill itemset partition put resize setfield setflags sort byteswap",
        ),
        (effect("writes a file", "filesystem", blocking=True), "dump tofile"),
    ),
}
