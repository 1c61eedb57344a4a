"""Pointers, prefetch and rows for the compiled kernels: what Numba has no word for."""

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from plectrum.kernels.native._cpu_compile import inlined

_READ, _FIRST_CACHE, _SECOND_CACHE, _DATA = 0, 3, 2, 1  # what LLVM's prefetch is for, how near, of what kind


@intrinsic
def pointer_like(typing_context: Any, address: Any, array: Any) -> Any:
    """Turn an address (an integer) into a pointer to the dtype of `array`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(array.dtype)(types.int64, array), generate


def _define_pointer_to(element: Any) -> Any:
    """Return an intrinsic that turns an address (an integer) into a pointer to `element`."""

    @intrinsic
    def pointer_to(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), generate

    return pointer_to


float32_at = _define_pointer_to(types.float32)
float64_at = _define_pointer_to(types.float64)
int16_at = _define_pointer_to(types.int16)
uint16_at = _define_pointer_to(types.uint16)
int32_at = _define_pointer_to(types.int32)
int64_at = _define_pointer_to(types.int64)


def _define_prefetch(how_near: int) -> Any:
    @intrinsic
    def ask(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            i32, pointer = ir.IntType(32), ir.PointerType(ir.IntType(8))
            name = "llvm.prefetch.p0"
            module = builder.module
            function = module.globals.get(name) or ir.Function(
                module, ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32]), name
            )
            place = builder.inttoptr(arguments[0], pointer)
            builder.call(function, [place, i32(_READ), i32(how_near), i32(_DATA)])
            return context.get_dummy_value()

        return types.void(types.int64), generate

    return ask


# Each asks for the cache line at an address (an integer); none ever faults, whatever the address. Only to
# read, though the line may be written later: asked for in order to write, random rows come a third slower.
prefetch = _define_prefetch(_FIRST_CACHE)
prefetch_to_second = _define_prefetch(_SECOND_CACHE)


_LINE, FOUR_LINES = 64, 256  # bytes


def _define_over_lines(act: Any) -> Any:
    """Return a function that does `act` for every cache line of a row at an address, of a number of bytes.

    Four lines at a time: LLVM leaves a loop standing even where it knows the length, and a row of Adam, with
    its state and gradient, costs a sixth more.
    """

    @inlined
    def over_lines(address: Any, n_bytes: Any) -> None:
        fours = n_bytes // FOUR_LINES * FOUR_LINES
        for k in range(0, fours, FOUR_LINES):
            act(address + k)
            act(address + k + 64)
            act(address + k + 128)
            act(address + k + 192)
        for k in range(fours, n_bytes, _LINE):
            act(address + k)

    return over_lines


_prefetch_row_to_first = _define_over_lines(prefetch)
_prefetch_row_to_second = _define_over_lines(prefetch_to_second)


@inlined
def prefetch_row(address: Any, n_bytes: Any, are_many: Any) -> None:
    """Ask for a row, one of many or of few.

    Many are asked for to the second cache, which waits for several times as many lines at once as the first:
    a step of Adam on 32,768 rows takes four fifths of its time. On 4,096, which caches may hold, it would
    take up to a tenth more.
    """
    if are_many:
        _prefetch_row_to_second(address, n_bytes)
    else:
        _prefetch_row_to_first(address, n_bytes)


@intrinsic
def copy_bytes(typing_context: Any, to: Any, source: Any, n_bytes: Any) -> Any:
    """Copy `n_bytes` from address `source` to address `to`; the two must not overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, i64, i1 = ir.PointerType(ir.IntType(8)), ir.IntType(64), ir.IntType(1)
        name = "llvm.memcpy.p0.p0.i64"
        module = builder.module
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(ir.VoidType(), [pointer, pointer, i64, i1]), name
        )
        to_, source_ = (builder.inttoptr(a, pointer) for a in arguments[:2])
        builder.call(function, [to_, source_, arguments[2], i1(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


def _define_copy_of_a_line(is_streamed: bool) -> Any:
    @intrinsic
    def copy_line(typing_context: Any, to: Any, source: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = ir.PointerType(ir.VectorType(ir.IntType(8), _LINE))
            to_, source_ = (builder.inttoptr(a, pointer) for a in arguments)
            line = builder.load(source_, align=1)
            store = builder.store(line, to_, align=_LINE if is_streamed else 1)
            if is_streamed:
                store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return copy_line


copy_line = _define_copy_of_a_line(is_streamed=False)  # 64 bytes from the second address to the first
stream_line = _define_copy_of_a_line(is_streamed=True)  # past the caches; the first must be a multiple of 64


def _define_copy_of_lines(act: Any) -> Any:
    """As `_define_over_lines`, with two addresses."""

    @numba.njit(inline="always")
    def copy_lines(to: Any, source: Any, n_bytes: Any) -> None:
        fours = n_bytes // FOUR_LINES * FOUR_LINES
        for k in range(0, fours, FOUR_LINES):
            act(to + k, source + k)
            act(to + k + 64, source + k + 64)
            act(to + k + 128, source + k + 128)
            act(to + k + 192, source + k + 192)
        for k in range(fours, n_bytes, _LINE):
            act(to + k, source + k)

    return copy_lines


_copy_lines = _define_copy_of_lines(copy_line)
stream_row = _define_copy_of_lines(stream_line)  # `to` and the number of bytes: multiples of 64


@numba.njit(inline="always")
def copy_row(to: Any, source: Any, n_bytes: Any) -> None:
    """Copy a row; for the few lines of one this is quicker than a call of the system's `memcpy`."""
    whole = n_bytes // _LINE * _LINE
    _copy_lines(to, source, whole)
    if whole != n_bytes:
        copy_bytes(to + whole, source + whole, n_bytes - whole)  # type: ignore[call-arg]


@intrinsic
def take_turn(typing_context: Any, address: Any) -> Any:
    """Return the int64 at `address` and add one to it, atomically: how threads share out work."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i64 = ir.IntType(64)
        counter = builder.inttoptr(arguments[0], ir.PointerType(i64))
        return builder.atomic_rmw("add", counter, i64(1), ordering="monotonic")

    return types.int64(types.int64), generate


@intrinsic
def leave(typing_context: Any, address: Any, number: Any) -> Any:
    """Write an int64 to `address`: whoever finds it there by `wait_for` finds all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.PointerType(ir.IntType(64)))
        builder.store_atomic(arguments[1], place, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def _found_at(typing_context: Any, address: Any) -> Any:
    """Return the int64 at `address`; what stood before it was left there can be read."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.PointerType(ir.IntType(64)))
        return builder.load_atomic(place, ordering="acquire", align=8)

    return types.int64(types.int64), generate


@inlined
def wait_for(address: Any) -> Any:
    """Return the number that another thread leaves at `address`, where a negative one stands until then.

    Only for what has been begun: whoever waits does nothing else.
    """
    number = -1
    while number < 0:
        number = _found_at(address)  # type: ignore[call-arg]
    return number
