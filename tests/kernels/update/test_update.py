import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels.update import reference, torch_ops
from plectrum.kernels.update._step import STATES, Step
from plectrum.optim import _compiled
from plectrum.optim._compiled import Fit, Work, update_tables
from plectrum.rows._gradient import RowGradient
from plectrum.rows._place import place_of

STEPS = {
    "sgd": Step("sgd", 0.1),
    "momentum": Step("sgd", 0.1, 0.01, momentum=0.9, dampening=0.1),
    "nesterov": Step("sgd", 0.1, momentum=0.9, nesterov=True, maximize=True),
    "adagrad": Step("adagrad", 0.1, 0.01, 1e-10),
    "rowwise_adagrad": Step("rowwise_adagrad", 0.1, 0.01, 1e-10),
    "adam": Step("adam", 0.1, 0.01, 1e-8, 0.9, 0.999, 0.19, 0.0447),
    "adamw": Step("adamw", 0.1, 0.01, 1e-8, 0.9, 0.999, 0.19, 0.0447),
}
SHAPES = {
    **{"empty": (0, 5, 3), "one": (1, 1, 1), "same": (40, 1, 7), "few": (17, 50, 64), "many": (300, 20, 5)},
    **{"most of them once": (400, 5000, 64), "half of them once": (400, 300, 32)},
}


def make_case(step, shape, dtype, seed=0):
    n, n_rows, dim = SHAPES[shape] if isinstance(shape, str) else shape
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n_rows, dim)).astype(dtype)
    states = [
        np.abs(rng.normal(size=(n_rows, 1 if step.rule == "rowwise_adagrad" else dim))).astype(dtype)
        for _ in STATES[step.rule]
    ]
    if step.rule == "sgd" and not step.momentum:
        states = [None]
    return table, states, rng.integers(0, n_rows, n), rng.normal(size=(n, dim)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("name", list(STEPS))
def test_torchs_operations_follow_the_reference(name, shape, dtype):
    step = STEPS[name]
    table, states, ids, values = make_case(step, shape, dtype)
    mine = torch.from_numpy(table.copy())
    kept = [None if s is None else torch.from_numpy(s.copy()) for s in states]
    rows = torch_ops.update(mine, kept, torch.from_numpy(ids), torch.from_numpy(values), step)
    expected = reference.update(table, states, ids, values, step)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_array_equal(rows.numpy(), expected)
    np.testing.assert_allclose(mine.numpy(), table, atol=tolerance, rtol=tolerance)
    for state, found in zip(states, kept, strict=True):
        if state is not None:
            np.testing.assert_allclose(found.numpy(), state, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounding_at_random_is_right_on_average_and_lands_on_a_neighbour(dtype):
    torch.manual_seed(0)
    numbers = torch.tensor([1.0, 1.0003, -0.7501, 3e-6, 0.0, 65000.0])
    drawn = torch.stack([torch_ops.round_at_random(numbers, dtype) for _ in range(4000)]).float()
    assert (drawn[:, 0] == 1).all()
    assert (drawn[:, 4] == 0).all()
    assert all(len(drawn[:, i].unique()) <= 2 for i in range(len(numbers)))
    torch.testing.assert_close(drawn.mean(0), numbers, rtol=2e-4, atol=1e-8)


def test_a_small_step_in_sixteen_bits_is_not_lost():
    torch.manual_seed(0)
    table = torch.ones(4, 64, dtype=torch.float16)
    ids, step = torch.arange(4), Step("sgd", 1e-4)
    for _ in range(200):
        torch_ops.update(table, [None], ids, torch.ones(4, 64), step)
    assert abs(table.float().mean().item() - 0.98) < 1e-3


def work_on(table, states, gradient):
    return Work(Fit.of(place_of(table), states), gradient, None, 0)


def update_compiled(tables, states, ids, values, step, n_threads=2):
    work = [
        work_on(t, s, RowGradient(torch.from_numpy(i), torch.from_numpy(v)))
        for t, s, i, v in zip(tables, states, ids, values, strict=True)
    ]
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        update_tables(work, step)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("n_tables", [1, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("name", list(STEPS))
def test_compiled_updates_follow_the_reference(name, shape, dtype, n_tables):
    step = STEPS[name]
    cases = [make_case(step, shape, dtype, seed) for seed in range(n_tables)]
    tables = [torch.from_numpy(c[0].copy()) for c in cases]
    states = [[None if s is None else torch.from_numpy(s.copy()) for s in c[1]] for c in cases]
    update_compiled(tables, states, [c[2] for c in cases], [c[3] for c in cases], step)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for (table, kept, ids, values), mine, state in zip(cases, tables, states, strict=True):
        reference.update(table, kept, ids, values, step)
        np.testing.assert_allclose(mine.numpy(), table, atol=tolerance, rtol=tolerance)
        for expected, found in zip(kept, state, strict=True):
            if expected is not None:
                np.testing.assert_allclose(found.numpy(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dim", [32, 40, 64])
@pytest.mark.parametrize("name", list(STEPS))
def test_where_states_begin_and_how_rows_are_asked_for_changes_no_bit(monkeypatch, name, dim):
    step, found = STEPS[name], []
    for offset, many_from in ((0, 0), (1, 0), (0, 2**60)):
        monkeypatch.setattr(_compiled, "MANY_FROM", many_from)
        table, states, ids, values = make_case(step, (400, 300, dim), np.float32)
        mine, kept = torch.from_numpy(table), [None if s is None else beside(s, offset) for s in states]
        for _ in range(2):
            update_compiled([mine], [kept], [ids], [values], step)
        found.append([mine, *(state for state in kept if state is not None)])
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


WIDTHS = {"narrow": (900, 400, 3), "many ids": (5000, 9000, 64), "64": (700, 50, 64), "16": (800, 2000, 16)}
WIDTHS |= {"32": (600, 700, 32), "128": (300, 1000, 128), "no ids": (0, 5, 64), "more": (200, 90, 130)}


@pytest.mark.parametrize("n_threads", [1, 2, 8])
@pytest.mark.parametrize("name", ["adam", "rowwise_adagrad"])
def test_tables_of_any_width_take_one_step(name, n_threads):
    step, cases = STEPS[name], [make_case(STEPS[name], shape, np.float64) for shape in WIDTHS.values()]
    tables = [torch.from_numpy(c[0].copy()) for c in cases]
    states = [[torch.from_numpy(s.copy()) for s in c[1]] for c in cases]
    update_compiled(tables, states, [c[2] for c in cases], [c[3] for c in cases], step, n_threads)
    for (table, kept, ids, values), mine, state in zip(cases, tables, states, strict=True):
        reference.update(table, kept, ids, values, step)
        np.testing.assert_allclose(mine.numpy(), table, atol=1e-12)
        for expected, found in zip(kept, state, strict=True):
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("n_threads", [1, 2, 8])
@pytest.mark.parametrize("position", [0, 2500, 4999])
def test_a_bad_id_of_a_table_in_parts_is_named_and_leaves_no_thread_waiting(position, n_threads):
    _, _, ids, values = make_case(STEPS["sgd"], (5000, 9000, 16), np.float64)
    ids[position] = 9000
    good = np.arange(5000)
    tables = [torch.zeros(9000, 16, dtype=torch.float64) for _ in range(2)]
    with pytest.raises(RowOutOfRangeError, match=f"got 9000 at position {position}"):
        update_compiled(tables, [[None]] * 2, [ids, good], [values] * 2, STEPS["sgd"], n_threads)
    assert not tables[0].any()
    assert tables[1][:5000].all()  # the other table is stepped on in full
    assert not tables[1][5000:].any()


def beside(state, offset):
    """Return the numbers in memory that begins `offset` numbers after a whole cache line."""
    room = torch.empty(state.size + offset, dtype=torch.from_numpy(state).dtype)
    return room[offset:].view(state.shape).copy_(torch.from_numpy(state))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("name", list(STEPS))
def test_tables_of_sixteen_bits_are_stepped_in_single_precision(name, shape, dtype):
    step = STEPS[name]
    table, states, ids, values = make_case(step, shape, np.float32)
    narrow, slopes = torch.from_numpy(table).to(dtype), torch.from_numpy(values).to(dtype)
    kept = [None if s is None else torch.from_numpy(s.copy()) for s in states]
    expected = narrow.float().numpy().copy()
    mine = narrow.clone()
    update_tables([work_on(mine, kept, RowGradient(torch.from_numpy(ids), slopes))], step)
    reference.update(expected, states, ids, slopes.float().numpy(), step)
    for state, found in zip(states, kept, strict=True):
        if state is not None:
            np.testing.assert_allclose(found.numpy(), state, atol=1e-5, rtol=1e-5)
    stepped = np.isin(np.arange(len(table)), ids)
    assert torch.equal(mine[~stepped], narrow[~stepped])
    unit = torch.finfo(dtype).eps  # a neighbour: within a whole unit in the last place
    np.testing.assert_allclose(mine.float().numpy(), expected, rtol=1.01 * unit, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_compiled_step_in_sixteen_bits_is_right_on_average(dtype):
    torch.manual_seed(0)
    table, ids = torch.ones(64, 64, dtype=dtype), torch.arange(64)
    slopes, step = torch.ones(64, 64, dtype=dtype), Step("sgd", 1e-4)
    for _ in range(200):
        update_tables([work_on(table, [None], RowGradient(ids, slopes))], step)
    assert abs(table.double().mean().item() - 0.98) < 1e-3
    assert table.float().std() > 0  # each number has chance of its own


@pytest.mark.parametrize("n_tables", [1, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["adamw", "momentum", "rowwise_adagrad"])
def test_any_number_of_threads_gives_the_same_bits(name, dtype, n_tables):
    rng = np.random.default_rng(0)
    n, dim, n_rows = 5000, 33, 3000
    ids = [rng.zipf(1.2, n) % n_rows for _ in range(n_tables)]
    values = [rng.normal(size=(n, dim)).astype(np.float32) for _ in range(n_tables)]
    found = []
    for n_threads in (1, 2, 3, 8, 2):
        torch.manual_seed(0)  # of the rounding at random
        tables = [torch.ones(n_rows, dim, dtype=dtype) for _ in range(n_tables)]
        width, n_states = (1, 1) if name == "rowwise_adagrad" else (dim, len(STATES[STEPS[name].rule]))
        states = [[torch.zeros(n_rows, width) for _ in range(n_states)] for _ in range(n_tables)]
        update_compiled(tables, states, ids, values, STEPS[name], n_threads)
        found.append(torch.stack([*tables, *(s.to(dtype).expand(-1, dim) for kept in states for s in kept)]))
    assert not torch.equal(found[0][0], torch.ones(n_rows, dim, dtype=dtype))
    assert all(torch.equal(found[0], other) for other in found[1:])


IDS = {  # names of ids that fall to parts of a table, or come to the kernel, in their own ways
    "even": lambda rng, n: 2 * rng.integers(0, 2000, n),
    "multiples of 64": lambda rng, n: 64 * rng.integers(0, 60, n),
    "each once": lambda rng, n: rng.permutation(4000)[:n],
    "one id": lambda rng, n: np.full(n, 7),
    "one that occurs again": lambda rng, n: np.concatenate([rng.permutation(4000)[: n - 1], [9]]),
}


@pytest.mark.parametrize("n_threads", [1, 2, 8])
@pytest.mark.parametrize("in_bags", [False, True])
@pytest.mark.parametrize("kind", list(IDS))
def test_rows_in_any_part_are_stepped_on_once(kind, in_bags, n_threads):
    rng = np.random.default_rng(0)
    n, dim, n_rows = 3000, 16, 4000
    ids = IDS[kind](rng, n)
    strided = torch.from_numpy(np.stack([ids, ids[::-1]], 1))[:, 0]  # as one column of many
    values = torch.from_numpy(rng.normal(size=(n, dim)))
    bag_of = torch.from_numpy(rng.integers(0, n, n)) if in_bags else None
    table, state = rng.normal(size=(n_rows, dim)), rng.random((n_rows, dim))
    mine, kept, last = torch.tensor(table), torch.tensor(state), torch.zeros(n_rows, dtype=torch.int32)
    work = Work(Fit.of(place_of(mine), [kept]), RowGradient(strided, values, bag_of), last, 5)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        update_tables([work], STEPS["adagrad"])
    finally:
        torch.set_num_threads(before)
    written_out = values if bag_of is None else values[bag_of]
    reference.update(table, [state], ids, written_out.numpy(), STEPS["adagrad"])
    np.testing.assert_allclose(mine.numpy(), table, atol=1e-11)
    np.testing.assert_allclose(kept.numpy(), state, atol=1e-11)
    np.testing.assert_array_equal(last.numpy(), 5 * np.isin(np.arange(n_rows), ids))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 70),
    n_rows=st.integers(1, 5000),
    dim=st.integers(1, 70),
    name=st.sampled_from(list(STEPS)),
    seed=st.integers(0, 99),
)
def test_any_shape_follows_the_reference(n, n_rows, dim, name, seed):
    step = STEPS[name]
    rng = np.random.default_rng(seed)
    ids, values = rng.integers(0, min(n_rows, 1 + seed), n), rng.normal(size=(n, dim))
    table = rng.normal(size=(n_rows, dim))
    states = [np.abs(rng.normal(size=(n_rows, 1 if name == "rowwise_adagrad" else dim)))] * (name != "sgd")
    states = [s.copy() for s in states * len(STATES[step.rule])] or [None]
    mine, kept = (
        torch.from_numpy(table.copy()),
        [None if s is None else torch.from_numpy(s.copy()) for s in states],
    )
    update_compiled([mine], [kept], [ids], [values], step)
    reference.update(table, states, ids, values, step)
    np.testing.assert_allclose(mine.numpy(), table, atol=1e-10)


@pytest.mark.parametrize("dim", [7, 16, 32, 64, 128, 20_000])
def test_more_rows_than_one_block_holds_are_all_stepped_on(dim):
    rng = np.random.default_rng(0)
    n = 1500 if dim < 1000 else 20
    table, ids = rng.normal(size=(n, dim)), rng.integers(0, n, 2 * n)
    values, mine = rng.normal(size=(2 * n, dim)), torch.from_numpy(table.copy())
    update_compiled([mine], [[None]], [ids], [values], STEPS["sgd"])
    reference.update(table, [None], ids, values, STEPS["sgd"])
    np.testing.assert_allclose(mine.numpy(), table, atol=1e-12)


def test_gradients_may_be_strided_and_stand_in_bags():
    rng = np.random.default_rng(0)
    wide = torch.from_numpy(rng.normal(size=(10, 24)))
    table, bag_of = torch.zeros(50, 8, dtype=torch.float64), torch.tensor([0, 0, 3, 9, 9, 9])
    ids, scale = torch.tensor([4, 4, 7, 4, 1, 49]), torch.tensor([1.0, 2, 3, 4, 5, 6], dtype=torch.float64)
    work = work_on(table, [None], RowGradient(ids, wide[:, 8:16], bag_of, scale))
    update_tables([work], Step("sgd", 0.5))
    expected = np.zeros((50, 8))
    np.add.at(expected, ids.numpy(), wide.numpy()[bag_of, 8:16] * scale.numpy()[:, None])
    np.testing.assert_allclose(table.numpy(), -0.5 * expected, atol=1e-12)


@pytest.mark.parametrize("n_tables", [1, 6])
def test_an_id_outside_the_table_is_named(n_tables):
    tables = [torch.zeros(5, 2) for _ in range(n_tables)]
    ids = [np.array([1, 7, 2])] * n_tables
    with pytest.raises(RowOutOfRangeError, match="got 7 at position 1"):
        update_compiled(
            tables, [[None]] * n_tables, ids, [np.ones((3, 2), np.float32)] * n_tables, STEPS["sgd"]
        )
