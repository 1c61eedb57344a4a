"""Rows in registers: the dot products and weighted sums of rows from which the pair kernels are made.

Numba has no vectors, and LLVM's own vectorizer does not keep a whole row in registers when its length is
known only at run time. So these few loops are written in LLVM's vector type of 16 floats, which LLVM then
cuts to what the machine has (one AVX-512 register, two of AVX2, four of NEON). Rows start anywhere, and their
length is a multiple of 16 floats: `n_vectors` of them.

Everywhere below a row is named by the array it lives in and the position of its first float there.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
_TILE = 8  # vectors of a row that are summed in registers at once
_FAST = ("fast",)
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_ZERO = ir.Constant(_FLOATS, [0.0] * LANES)


def _int(value: int) -> Any:
    return ir.Constant(_I64, value)


def _all(value: float) -> Any:
    return ir.Constant(_FLOATS, [value] * LANES)


def _pointers(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """The arguments, with arrays replaced by the pointers to their first element."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, arguments, strict=True)
    ]


def _load(builder: Any, array: Any, at: Any) -> Any:
    place = builder.bitcast(builder.gep(array, [at]), _FLOATS.as_pointer())
    return builder.load(place, align=4)


def _store(builder: Any, value: Any, array: Any, at: Any) -> None:
    place = builder.bitcast(builder.gep(array, [at]), value.type.as_pointer())
    builder.store(value, place, align=4)


def _element(builder: Any, array: Any, at: Any) -> Any:
    return builder.load(builder.gep(array, [at]))


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(_I32, len(lanes)), [ir.Constant(_I32, lane) for lane in lanes])
    return builder.shuffle_vector(a, b, mask)


def _broadcast(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), value, ir.Constant(_I32, 0))
    return _shuffle(builder, one, one, [0] * LANES)


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=_FAST), c, flags=_FAST)


def _halve(builder: Any, a: Any, b: Any, sources: tuple[int, ...], n_items: int, width: int) -> Any:
    """Add the two halves of every item; an item is `width` neighbouring lanes of a vector."""
    half = width // 2
    starts = [source + item * width for source in sources for item in range(n_items)]
    low = [start + lane for start in starts for lane in range(half)]
    high = [start + half + lane for start in starts for lane in range(half)]
    return builder.fadd(_shuffle(builder, a, b, low), _shuffle(builder, a, b, high), flags=_FAST)


def _sums(builder: Any, vectors: list[Any]) -> Any:
    """The sum of the lanes of each of n vectors (n a power of 2), as one vector of n floats."""
    width = LANES
    while len(vectors) > 1:
        pairs = zip(vectors[0::2], vectors[1::2], strict=True)
        vectors = [_halve(builder, a, b, (0, LANES), LANES // width, width) for a, b in pairs]
        width //= 2
    total, n_items = vectors[0], LANES // width
    while width > 1:
        total = _halve(builder, total, total, (0,), n_items, width)
        width //= 2
    return total


def _emit_dots(builder: Any, n: int, a: Any, at: Any, b: Any, rows: Any, first: Any, n_vectors: Any) -> Any:
    """The dot products of one row with n others: n running sums in registers, each float of `a` read once."""
    sums = [cgutils.alloca_once_value(builder, _ZERO) for _ in range(n)]
    for total in sums:
        builder.store(_ZERO, total)
    starts = [_element(builder, rows, builder.add(first, _int(q))) for q in range(n)]
    with cgutils.for_range(builder, n_vectors) as loop:
        k = builder.mul(loop.index, _int(LANES))
        x = _load(builder, a, builder.add(at, k))
        for start, total in zip(starts, sums, strict=True):
            y = _load(builder, b, builder.add(start, k))
            builder.store(_multiply_add(builder, x, y, builder.load(total)), total)
    return _sums(builder, [builder.load(total) for total in sums])


@intrinsic
def dot_rows(
    typing_context: Any,
    out: Any,
    out_at: Any,
    a: Any,
    at: Any,
    b: Any,
    rows: Any,
    first: Any,
    n: Any,
    n_vectors: Any,
) -> Any:
    """``out[out_at + q] = dot(a[at:], b[rows[first + q]:])`` for ``q < n``.

    Works in groups of 8 and 4: up to 7 entries of `rows` after the last are read, and must be rows too; as
    many floats of `out` are written over.
    """
    i64 = types.int64
    signature = types.void(out, i64, a, i64, b, rows, i64, i64, i64)

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        out, out_at, a, at, b, rows, first, n, n_vectors = _pointers(context, builder, sig, arguments)
        n_eights = builder.sdiv(builder.add(n, _int(3)), _int(8))
        with cgutils.for_range(builder, n_eights) as loop:
            q = builder.mul(loop.index, _int(8))
            found = _emit_dots(builder, 8, a, at, b, rows, builder.add(first, q), n_vectors)
            _store(builder, found, out, builder.add(out_at, q))
        done = builder.mul(n_eights, _int(8))
        with builder.if_then(builder.icmp_signed("<", done, n)):
            found = _emit_dots(builder, 4, a, at, b, rows, builder.add(first, done), n_vectors)
            _store(builder, found, out, builder.add(out_at, done))
        return context.get_dummy_value()

    return signature, generate


def _for_each_tile(builder: Any, n_vectors: Any, emit: Any) -> None:
    """Call ``emit(first float, number of vectors)`` for tiles of 8 vectors, then for the rest of the row."""
    n_tiles = builder.sdiv(n_vectors, _int(_TILE))
    with cgutils.for_range(builder, n_tiles) as loop:
        emit(builder.mul(loop.index, _int(_TILE * LANES)), _TILE)
    rest = builder.mul(n_tiles, _int(_TILE * LANES))
    end = builder.append_basic_block("row.end")
    switch = builder.switch(builder.srem(n_vectors, _int(_TILE)), end)
    for n in range(1, _TILE):
        block = builder.append_basic_block(f"row.rest{n}")
        switch.add_case(_int(n), block)
        builder.position_at_end(block)
        emit(rest, n)
        builder.branch(end)
    builder.position_at_end(end)


def _define_weighted_sum(*, adds: bool, weights_by_place: bool) -> Any:
    """Return the intrinsic that writes (or adds) a weighted sum of rows to a row; registers hold the sum."""

    @intrinsic
    def weighted_sum(
        typing_context: Any, to: Any, at: Any, b: Any, rows: Any, first: Any, weights: Any, where: Any,
        w_at: Any, stride: Any, n: Any, n_vectors: Any,
    ) -> Any:  # fmt: skip
        i64 = types.int64
        signature = types.void(to, i64, b, rows, i64, weights, where, i64, i64, i64, i64)

        def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
            found = _pointers(context, builder, sig, arguments)
            to, at, b, rows, first, weights, where, w_at, stride, n, n_vectors = found

            def emit(k: Any, n_tile: int) -> None:
                places = [builder.add(at, builder.add(k, _int(LANES * t))) for t in range(n_tile)]
                sums = [cgutils.alloca_once(builder, _FLOATS) for _ in places]
                for place, total in zip(places, sums, strict=True):
                    builder.store(_load(builder, to, place) if adds else _ZERO, total)
                with cgutils.for_range(builder, n) as loop:
                    row = builder.add(_element(builder, rows, builder.add(first, loop.index)), k)
                    if weights_by_place:
                        place = _element(builder, where, builder.add(w_at, loop.index))
                    else:
                        place = builder.add(w_at, builder.mul(loop.index, stride))
                    weight = _broadcast(builder, _element(builder, weights, place))
                    for t, total in enumerate(sums):
                        y = _load(builder, b, builder.add(row, _int(LANES * t)))
                        builder.store(_multiply_add(builder, weight, y, builder.load(total)), total)
                for place, total in zip(places, sums, strict=True):
                    _store(builder, builder.load(total), to, place)

            _for_each_tile(builder, n_vectors, emit)
            return context.get_dummy_value()

        return signature, generate

    return weighted_sum


# to[at:] = sum over q < n of weights[w_at + q * stride] * b[rows[first + q]:]; `where` is not read.
write_weighted_sum = _define_weighted_sum(adds=False, weights_by_place=False)
# The same, added to what stands in to[at:].
add_weighted_sum = _define_weighted_sum(adds=True, weights_by_place=False)
# to[at:] += sum over q < n of weights[where[w_at + q]] * b[rows[first + q]:]; `stride` is not read.
add_sum_weighted_at = _define_weighted_sum(adds=True, weights_by_place=True)


def _define_row_move(*, adds: bool) -> Any:
    @intrinsic
    def move(typing_context: Any, to: Any, at: Any, source: Any, source_at: Any, n_vectors: Any) -> Any:
        i64 = types.int64

        def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
            to, at, source, source_at, n_vectors = _pointers(context, builder, sig, arguments)
            with cgutils.for_range(builder, n_vectors) as loop:
                k = builder.mul(loop.index, _int(LANES))
                place = builder.add(at, k)
                value = _load(builder, source, builder.add(source_at, k))
                if adds:
                    value = builder.fadd(_load(builder, to, place), value, flags=_FAST)
                _store(builder, value, to, place)
            return context.get_dummy_value()

        return types.void(to, i64, source, i64, i64), generate

    return move


copy_row = _define_row_move(adds=False)  # to[at:] = source[source_at:]
add_row = _define_row_move(adds=True)  # to[at:] += source[source_at:]

# tanh(y) = y P(y^2) / Q(y^2), a rational minimax approximation, good to a few units in the last place for
# |y| <= 7.9, beyond which float32 cannot tell tanh from 1.
_TANH_P = (
    -2.76076847742355e-16,
    2.00018790482477e-13,
    -8.60467152213735e-11,
    5.12229709037114e-08,
    1.48572235717979e-05,
    6.37261928875436e-04,
    4.89352455891786e-03,
)
_TANH_Q = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
_TANH_LIMIT = 7.90531110763549805


def _emit_sigmoid(builder: Any, x: Any) -> Any:
    y = builder.fmul(x, _all(0.5), flags=_FAST)
    for limit, comparison in ((_TANH_LIMIT, "<"), (-_TANH_LIMIT, ">")):
        inside = builder.fcmp_ordered(comparison, y, _all(limit))
        y = builder.select(inside, y, _all(limit))
    square = builder.fmul(y, y, flags=_FAST)
    sides = []
    for coefficients in (_TANH_P, _TANH_Q):
        value = _all(coefficients[0])
        for coefficient in coefficients[1:]:
            value = _multiply_add(builder, value, square, _all(coefficient))
        sides.append(value)
    tanh = builder.fdiv(builder.fmul(y, sides[0], flags=_FAST), sides[1], flags=_FAST)
    return _multiply_add(builder, tanh, _all(0.5), _all(0.5))


@intrinsic
def sigmoid_errors(typing_context: Any, values: Any, at: Any, n: Any, sign: Any, weight: Any) -> Any:
    """``values[at + q] = weight * sigmoid(sign * values[at + q])`` for ``q < n``, rounded up to 16."""
    i64, f32 = types.int64, types.float32

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        values, at, n, sign, weight = _pointers(context, builder, sig, arguments)
        signs, weights = _broadcast(builder, sign), _broadcast(builder, weight)
        n_groups = builder.sdiv(builder.add(n, _int(LANES - 1)), _int(LANES))
        with cgutils.for_range(builder, n_groups) as loop:
            place = builder.add(at, builder.mul(loop.index, _int(LANES)))
            x = builder.fmul(_load(builder, values, place), signs, flags=_FAST)
            _store(builder, builder.fmul(_emit_sigmoid(builder, x), weights, flags=_FAST), values, place)
        return context.get_dummy_value()

    return types.void(values, i64, i64, f32, f32), generate
