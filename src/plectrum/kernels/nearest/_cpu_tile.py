"""Scores of a few queries with a panel of rows, kept in registers: few are ever written to memory.

A panel is 32 rows turned on their side, (dim, 32), so that a vector of 16 floats holds one number of 16
rows. A tile multiplies it with 6 queries, which leaves 12 running sums: enough to keep two multipliers busy.
Nearly all scores of a search lie below what the query has found already, and one comparison of a whole vector
shows it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES, PANEL_VECTORS, TILE = 16, 2, 6
PANEL = LANES * PANEL_VECTORS
_EXACT = ("contract",)  # multiply and add in one step; nothing else, as rows may hold anything
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_I64 = ir.IntType(64)


def _int(value: int) -> Any:
    return ir.Constant(_I64, value)


def _pointer(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, builder, value).data


def _vector_at(builder: Any, array: Any, at: Any) -> Any:
    return builder.bitcast(builder.gep(array, [at]), _FLOATS.as_pointer())


def _broadcast(builder: Any, array: Any, at: Any) -> Any:
    value = builder.load(builder.gep(array, [at]))
    lane = ir.IntType(32)
    one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), value, ir.Constant(lane, 0))
    mask = ir.Constant(ir.VectorType(lane, LANES), [ir.Constant(lane, 0)] * LANES)
    return builder.shuffle_vector(one, one, mask)


def _any_above(builder: Any, values: list[Any], bound: Any) -> Any:
    """1 (int64) if any lane of any vector is above its bound."""
    found = builder.fcmp_ordered(">", values[0], bound)
    for value in values[1:]:
        found = builder.or_(found, builder.fcmp_ordered(">", value, bound))
    bits = builder.bitcast(found, ir.IntType(LANES))
    return builder.zext(builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0)), _I64)


@intrinsic
def score_tile(
    typing_context: Any, panel: Any, queries: Any, at: Any, dim: Any, bounds: Any, bound_at: Any, out: Any
) -> Any:
    """Write the scores (6, 32) of 6 queries with a panel to `out`; return which queries exceed their bounds.

    The queries lie one behind the other from ``queries[at]``, their bounds from ``bounds[bound_at]``. Bit q
    of the answer tells whether any score of query q is above its bound.
    """
    i64 = types.int64
    signature = types.int64(panel, queries, i64, i64, bounds, i64, out)

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        panel, queries, at, dim, bounds, bound_at, out = (
            _pointer(context, builder, kind, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(sig.args, arguments, strict=True)
        )
        zero = ir.Constant(_FLOATS, [0.0] * LANES)
        sums = [[cgutils.alloca_once(builder, _FLOATS) for _ in range(PANEL_VECTORS)] for _ in range(TILE)]
        for total in (total for query in sums for total in query):
            builder.store(zero, total)
        starts = [builder.add(at, builder.mul(dim, _int(q))) for q in range(TILE)]
        with cgutils.for_range(builder, dim) as loop:
            row = builder.mul(loop.index, _int(PANEL))
            places = [builder.add(row, _int(v * LANES)) for v in range(PANEL_VECTORS)]
            parts = [builder.load(_vector_at(builder, panel, place), align=4) for place in places]
            for start, query in zip(starts, sums, strict=True):
                x = _broadcast(builder, queries, builder.add(start, loop.index))
                for part, total in zip(parts, query, strict=True):
                    product = builder.fmul(x, part, flags=_EXACT)
                    builder.store(builder.fadd(product, builder.load(total), flags=_EXACT), total)
        above = _int(0)
        for q, query in enumerate(sums):
            found = [builder.load(total) for total in query]
            for v, values in enumerate(found):
                place = _vector_at(builder, out, _int(q * PANEL + v * LANES))
                builder.store(values, place, align=4)
            bound = _broadcast(builder, bounds, builder.add(bound_at, _int(q)))
            above = builder.or_(above, builder.shl(_any_above(builder, found, bound), _int(q)))
        return above

    return signature, generate
