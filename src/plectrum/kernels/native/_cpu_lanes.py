"""Sixteen numbers of a row at a time: a vector type in which the compiled kernels are written.

Numba has no vectors, and LLVM's own vectorizer checks before every row of unknown length whether its arrays
overlap, which costs as much as the row. With these a kernel says what it means: load, compute, store. LLVM
cuts sixteen numbers to what the machine has (one AVX-512 register of float32, two of AVX2, four of NEON).

Numbers of 16 bits, for which Numba has no arithmetic, are converted as they are loaded and stored: `like`, an
array that is never read, says by its dtype how numbers lie in memory: int16 stands for float16, uint16 for
bfloat16.
"""

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

from plectrum.kernels.native._cpu_memory import float32_at, float64_at, int16_at, uint16_at

LANES = 16
WIDTH = np.int64(LANES)  # for kernels: Numba compiles a function anew for every literal number it is given
_FLAGS = ("contract",)  # a product may be added in one instruction; no other freedom
_I16, _I32, _I64 = (ir.IntType(bits) for bits in (16, 32, 64))
_FLOAT16, _BFLOAT16 = types.int16, types.uint16


class Lanes(types.Type):
    """Sixteen float32 or float64 numbers in registers."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Lanes({element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _vector(kind))


def _vector(kind: Lanes) -> Any:
    return ir.VectorType(ir.DoubleType() if kind.element == types.float64 else ir.FloatType(), LANES)


def _in_registers(like: Any) -> Lanes:
    """The type that numbers of this array have once they are loaded."""
    return Lanes(types.float64 if like.dtype == types.float64 else types.float32)


def _in_memory(like: Any) -> Any:
    """The LLVM type of one number of this array."""
    known = {types.float64: ir.DoubleType(), types.float32: ir.FloatType(), _FLOAT16: ir.HalfType()}
    return known.get(like.dtype, _I16)


def _define_operator(function: Any, instruction: str) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002
            if len(args) == 2 and isinstance(args[0], Lanes) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    infer_global(function)(Template)

    @lower_builtin(function, Lanes, Lanes)
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args, flags=_FLAGS)


for _function, _instruction in (
    *((operator.add, "fadd"), (operator.sub, "fsub")),
    *((operator.mul, "fmul"), (operator.truediv, "fdiv")),
):
    _define_operator(_function, _instruction)


def _suffix(vector: Any) -> str:
    return f"v{LANES}" + {"double": "f64", "float": "f32", "half": "f16", "i16": "i16"}[str(vector.element)]


def _call(builder: Any, name: str, result: Any, arguments: Any, **options: Any) -> Any:
    """Call one of LLVM's own functions, declared where need be."""
    module = builder.module
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = module.globals.get(name) or ir.Function(module, kind, name)
    return builder.call(function, arguments, **options)


def _spread(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, LANES), [_I32(0)] * LANES))


def _numbered() -> Any:
    """0, 1, ..., 15."""
    return ir.Constant(ir.VectorType(_I32, LANES), [_I32(lane) for lane in range(LANES)])


def _mask(builder: Any, n: Any) -> Any:
    return builder.icmp_signed("<", _numbered(), _spread(builder, builder.trunc(n, _I32)))


@intrinsic
def spread(typing_context: Any, value: Any) -> Any:
    """Sixteen times the same number."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return Lanes(value)(value), generate


@intrinsic
def root(typing_context: Any, lanes: Any) -> Any:
    """The square roots."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        return _call(builder, f"llvm.sqrt.{_suffix(kind)}", kind, arguments)

    return lanes(lanes), generate


@intrinsic
def total(typing_context: Any, lanes: Any) -> Any:
    """The sum of the sixteen numbers, in whatever order is quick; the same for the same numbers."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        nothing = ir.Constant(kind.element, -0.0)
        return _call(
            *(builder, f"llvm.vector.reduce.fadd.{_suffix(kind)}", kind.element, [nothing, arguments[0]]),
            fastmath=("reassoc",),
        )

    return lanes.element(lanes), generate


@intrinsic
def any_below(typing_context: Any, lanes: Any, bound: Any, which: Any) -> Any:
    """True when one of sixteen numbers is smaller than its bound, where `which` is not zero."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        value, limit, chosen = arguments
        is_below = builder.fcmp_ordered("<", value, limit)
        is_chosen = builder.fcmp_unordered("!=", chosen, ir.Constant(chosen.type, None))
        found = builder.bitcast(builder.and_(is_below, is_chosen), _I16)
        return builder.icmp_unsigned("!=", found, _I16(0))

    return types.boolean(lanes, lanes, lanes), generate


def _widen(builder: Any, like: Any, value: Any, kind: Any) -> Any:
    """Numbers as they lay in memory -> numbers to compute with."""
    if like.dtype == _BFLOAT16:
        wide = builder.zext(value, ir.VectorType(_I32, LANES))
        return builder.bitcast(builder.shl(wide, _all(16)), kind)
    return builder.fpext(value, kind) if value.type != kind else value


@intrinsic
def load(typing_context: Any, address: Any, n: Any, like: Any) -> Any:
    """The `n` numbers at `address` (an integer), at most sixteen; zeros after them."""
    result = _in_registers(like)

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        place, n, _ = arguments
        stored = ir.VectorType(_in_memory(like), LANES)
        pointer = builder.inttoptr(place, stored.as_pointer())
        value = cgutils.alloca_once(builder, stored)
        with builder.if_else(builder.icmp_signed("==", n, _I64(LANES)), likely=True) as (whole, part):
            with whole:
                builder.store(builder.load(pointer, align=1), value)
            with part:
                zeros = ir.Constant(stored, [0 if like.dtype == _BFLOAT16 else 0.0] * LANES)
                name = f"llvm.masked.load.{_suffix(stored)}.p0"
                found = _call(builder, name, stored, [pointer, _I32(1), _mask(builder, n), zeros])
                builder.store(found, value)
        return _widen(builder, like, builder.load(value), _vector(result))

    return result(types.int64, types.int64, like), generate


def _narrow(builder: Any, like: Any, value: Any) -> Any:
    """Numbers to compute with -> numbers as they lie in memory, rounded to nearest."""
    stored = ir.VectorType(_in_memory(like), LANES)
    if like.dtype != _BFLOAT16:
        return builder.fptrunc(value, stored) if value.type != stored else value
    bits = builder.bitcast(value, ir.VectorType(_I32, LANES))
    is_odd = builder.and_(builder.lshr(bits, _all(16)), _all(1))  # a tie goes to the even neighbour
    return _upper_half(builder, value, builder.add(bits, builder.add(is_odd, _all(0x7FFF))))


def _all(number: int) -> Any:
    return ir.Constant(ir.VectorType(_I32, LANES), [_I32(number)] * LANES)


def _all_floats(number: float) -> Any:
    kind = ir.FloatType()
    return ir.Constant(ir.VectorType(kind, LANES), [kind(number)] * LANES)


def _upper_half(builder: Any, value: Any, bits: Any) -> Any:
    """bfloat16 numbers from the upper halves of `bits`; NaN where `value` is."""
    is_nan = builder.fcmp_unordered("uno", value, value)
    upper = builder.lshr(builder.select(is_nan, _all(0x7FC00000), bits), _all(16))
    return builder.trunc(upper, ir.VectorType(_I16, LANES))


def _random_bits(builder: Any, key: Any) -> Any:
    """32 bits for each of sixteen numbers, all from one int64."""
    upper = builder.trunc(builder.lshr(builder.mul(key, _I64(0x9E3779B97F4A7C15)), _I64(32)), _I32)
    x = builder.add(_spread(builder, upper), builder.mul(_numbered(), _all(0x9E3779B9)))
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):  # "lowbias32" of Chris Wellons
        x = builder.mul(builder.xor(x, builder.lshr(x, _all(shift))), _all(factor))
    return builder.xor(x, builder.lshr(x, _all(16)))


def _narrow_at_random(builder: Any, like: Any, value: Any, key: Any) -> Any:
    """As `_narrow`, rounded up or down with the odds that keep the mean."""
    if like.dtype in {types.float32, types.float64}:
        return value
    random, bits = _random_bits(builder, key), builder.bitcast(value, ir.VectorType(_I32, LANES))
    if like.dtype == _BFLOAT16:
        return _upper_half(builder, value, builder.add(bits, builder.and_(random, _all(0xFFFF))))
    raised = builder.and_(builder.add(bits, builder.and_(random, _all(0x1FFF))), _all(-0x2000))
    kind = value.type
    # below 2^-14 the neighbours of a float16 are 2^-24 apart
    share = builder.fmul(
        builder.uitofp(builder.lshr(random, _all(8)), kind), _all_floats(2.0**-24), flags=_FLAGS
    )
    scaled = builder.fadd(builder.fmul(value, _all_floats(2.0**24)), share)
    floor = _call(builder, f"llvm.floor.{_suffix(kind)}", kind, [scaled])
    small = builder.fmul(floor, _all_floats(2.0**-24))
    size = _call(builder, f"llvm.fabs.{_suffix(kind)}", kind, [value])
    is_small = builder.fcmp_ordered("<", size, _all_floats(2.0**-14))
    rounded = builder.select(is_small, small, builder.bitcast(raised, kind))
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.fptrunc(builder.select(is_nan, value, rounded), ir.VectorType(ir.HalfType(), LANES))


def _put(builder: Any, place: Any, n: Any, value: Any) -> None:
    pointer = builder.inttoptr(place, value.type.as_pointer())
    with builder.if_else(builder.icmp_signed("==", n, _I64(LANES)), likely=True) as (whole, part):
        with whole:
            builder.store(value, pointer, align=1)
        with part:
            name = f"llvm.masked.store.{_suffix(value.type)}.p0"
            _call(builder, name, ir.VoidType(), [value, pointer, _I32(1), _mask(builder, n)])


@intrinsic
def store(typing_context: Any, address: Any, n: Any, like: Any, lanes: Any) -> Any:
    """Write the first `n` of sixteen numbers to `address` (an integer), rounded to nearest."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        place, n, _, value = arguments
        _put(builder, place, n, _narrow(builder, like, value))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like, lanes), generate


@intrinsic
def store_at_random(typing_context: Any, address: Any, n: Any, like: Any, lanes: Any, key: Any) -> Any:
    """As `store`, but numbers of 16 bits are rounded up or down at random, right on average.

    All chance comes from `key`, an int64. Source: Gupta et al. 2015, "Deep Learning with Limited Numerical
    Precision", equation 1.
    """

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        place, n, _, value, key = arguments
        _put(builder, place, n, _narrow_at_random(builder, like, value, key))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, like, lanes, types.int64), generate


POINTERS = {  # torch's dtype -> pointers to numbers of a table, and to those it is computed in
    "float32": (float32_at, float32_at),
    "float64": (float64_at, float64_at),
    "float16": (int16_at, float32_at),
    "bfloat16": (uint16_at, float32_at),
}
