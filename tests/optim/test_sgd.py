"""SGD with a rate for each row by how often it has occurred, against a plain loop."""

import copy
import io
import math

import numpy as np
import pytest
import torch

import plectrum.nn
import plectrum.optim
from plectrum.errors import ArgumentError, OptimizerError
from plectrum.rows import keep_in_files, open_table

N_ROWS, DIM = 60, 4


def zipf_ids(step, shape=(16,), n_rows=N_ROWS):
    share = np.random.default_rng(step).random(shape)
    return torch.from_numpy((n_rows**share).astype(np.int64) - 1)


class Plain:
    """The definition: a loop over the lookups of a batch, in NumPy."""

    def __init__(self, table, lr):
        self.table, self.lr = table.detach().double().numpy().copy(), lr
        self.count = np.zeros(len(table), np.int64)

    def step(self, ids, gradients, *, frozen=()):
        total = np.zeros_like(self.table)
        for k, gradient in zip(ids.reshape(-1).tolist(), gradients.reshape(-1, DIM).numpy(), strict=True):
            if k not in frozen:
                self.count[k] += 1
                total[k] += gradient
        for k in set(ids.reshape(-1).tolist()) - set(frozen):
            self.table[k] -= self.lr / math.sqrt(self.count[k]) * total[k]


def new_layer(dtype=torch.float64, n_rows=N_ROWS, kind=plectrum.nn.Embedding, **options):
    layer = kind(n_rows, DIM, dtype=dtype, **options)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(n_rows, DIM, generator=torch.Generator().manual_seed(1)))
    return layer


def by_count(params, lr=0.3, **options):
    return plectrum.optim.SGD(params, lr=lr, row_lr="by_count", **options)


def slopes(step, shape):
    return torch.randn(*shape, DIM, generator=torch.Generator().manual_seed(step), dtype=torch.float64)


def train(layer, optimizer, first, end, plain=None, frozen=()):
    for k in range(first, end):
        ids = zipf_ids(k, n_rows=N_ROWS)
        slope = slopes(k, ids.shape)
        optimizer.zero_grad()
        found = layer(ids)
        (found * (slope + found.detach()).to(found.dtype)).sum().backward()
        if plain is not None:
            plain.lr = optimizer.param_groups[0]["lr"]
            plain.step(ids, slope + found.detach().double(), frozen=frozen)
        optimizer.step()


def assert_same(layer, optimizer, plain, tolerance=1e-12):
    weight = layer.weight
    np.testing.assert_array_equal(optimizer.state[weight]["count"][:, 0].numpy(), plain.count)
    np.testing.assert_allclose(weight.detach().double().numpy(), plain.table, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
@pytest.mark.parametrize("kind", [plectrum.nn.Embedding, torch.nn.Embedding])
def test_two_hundred_steps_give_the_numbers_of_a_plain_loop(kind, dtype, tolerance):
    layer = new_layer(dtype, kind=kind)
    optimizer, plain = by_count(layer), Plain(layer.weight, 0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 70)  # through zero and up again
    for k in range(200):
        train(layer, optimizer, k, k + 1, plain)
        scheduler.step()
    assert_same(layer, optimizer, plain, tolerance)
    assert plain.count.max() > 30 * plain.count[plain.count > 0].min()


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.float64), (torch.float64, torch.float32)])
def test_many_tables_are_counted_each_on_its_own_in_one_call_or_not(dtypes):
    tables = plectrum.nn.EmbeddingTables({"a": (N_ROWS, DIM), "b": (2 * N_ROWS, DIM)}, dtype=dtypes[0])
    tables["b"].data = tables["b"].data.to(dtypes[1])  # tables of two dtypes are looked up one by one
    optimizer = by_count(tables)
    plains = [Plain(tables[name], 0.3) for name in ("a", "b")]
    for k in range(20):
        ids = zipf_ids(k, (16, 2))
        slope = slopes(k, ids.shape)
        optimizer.zero_grad()
        for part in (slice(0, 5), slice(5, 16)):
            (tables(ids[part]) * slope[part].reshape(-1, 2 * DIM)).sum().backward()
        optimizer.step()
        for t, plain in enumerate(plains):
            plain.step(ids[:, t], slope[:, t])
    for name, plain, dtype in zip(("a", "b"), plains, dtypes, strict=True):
        bound = 1e-12 if dtype == torch.float64 else 1e-5
        np.testing.assert_allclose(tables[name].detach().numpy(), plain.table, rtol=bound, atol=bound)
        assert optimizer.state[tables[name]]["count"][:, 0].tolist() == plain.count.tolist()


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_every_id_of_a_bag_counts_and_padding_does_not(mode):
    layer = plectrum.nn.EmbeddingBag(N_ROWS, DIM, mode=mode, padding_idx=0, dtype=torch.float64)
    optimizer, plain = by_count(layer), Plain(layer.weight, 0.3)
    for k in range(20):
        ids = zipf_ids(k, (8, 5))
        ids[:, 0] = 1  # no bag is empty
        slope = slopes(k, (8,))
        optimizer.zero_grad()
        (layer(ids) * slope).sum().backward()
        optimizer.step()
        n_each = (ids != 0).sum(dim=1, keepdim=True).double() if mode == "mean" else torch.ones(8, 1)
        plain.step(ids, (slope / n_each)[:, None].expand(8, 5, DIM), frozen=[0])
    assert_same(layer, optimizer, plain, 1e-6)


def test_a_padding_row_is_not_counted():
    layer = new_layer(padding_idx=0)
    optimizer, plain = by_count(layer), Plain(layer.weight, 0.3)
    train(layer, optimizer, 0, 20, plain, frozen=[0])
    assert_same(layer, optimizer, plain)


def whole(layer, ids):
    layer(ids).tanh().sum().backward()


def in_parts(layer, ids):
    for part in ids.chunk(3):
        layer(part).tanh().sum().backward()


def twice_in_a_graph(layer, ids):
    half = len(ids) // 2
    (layer(ids[:half]).tanh().sum() + layer(ids[half:]).tanh().sum()).backward()


def twice_through_a_graph(layer, ids):
    loss = layer(ids).tanh().sum() / 2
    loss.backward(retain_graph=True)
    loss.backward()


def after_a_look_that_was_not_trained_on(layer, ids):
    layer(ids)
    with torch.no_grad():
        layer(ids)
    whole(layer, ids)


def summed_by_row(layer, ids):
    whole(layer, ids)
    layer.weight.grad = layer.weight.grad.coalesce()


def after_a_batch_that_was_dropped(layer, ids):
    whole(layer, ids)
    layer.zero_grad()
    whole(layer, ids)


def with_rows_frozen_that_do_not_occur(layer, ids):
    layer.freeze([N_ROWS - 1])
    in_parts(layer, ids.clamp(max=N_ROWS - 2))


WAYS = [whole, in_parts, twice_in_a_graph, twice_through_a_graph, after_a_look_that_was_not_trained_on]
WAYS += [summed_by_row, after_a_batch_that_was_dropped, with_rows_frozen_that_do_not_occur]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("clip", [None, "clip_grad_norm_", "clip_grad_value_"])
def test_lookups_are_counted_alike_however_their_gradient_came_together(way, clip):
    layers = [new_layer(), new_layer()]
    optimizers = [by_count(layer) for layer in layers]
    for k in range(10):
        ids = zipf_ids(k, (24,)).clamp(max=N_ROWS - 2)
        for layer, optimizer, backward in zip(layers, optimizers, (whole, way), strict=True):
            optimizer.zero_grad()
            backward(layer, ids)
            if clip is not None:
                getattr(optimizer, clip)(1.0)
            optimizer.step()
    torch.testing.assert_close(layers[0].weight.detach(), layers[1].weight.detach(), rtol=1e-12, atol=1e-12)
    counts = [o.state[layer.weight]["count"] for layer, o in zip(layers, optimizers, strict=True)]
    assert torch.equal(*counts)
    assert counts[0].sum() == 240


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sixteen_bits_step_by_the_same_rates(dtype):
    layer = torch.nn.Embedding(3, DIM, dtype=dtype)
    torch.nn.init.ones_(layer.weight)
    optimizer = by_count(layer, lr=1e-4)
    ids = torch.tensor([0, 0, 0, 1])
    for _ in range(100):
        optimizer.zero_grad()
        layer(ids).sum().backward()
        optimizer.step()
    steps = torch.arange(1, 101).double()
    expected = torch.tensor([(1e-4 * 3 / (3 * steps).sqrt()).sum(), (1e-4 / steps.sqrt()).sum(), 0.0])
    moved = 1 - layer.weight.detach().float().mean(dim=1)
    torch.testing.assert_close(
        moved, expected.float(), rtol=0, atol=0.004
    )  # rounded at random, right on average


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_saved_state_trains_on_with_the_same_bits(dtype):
    torch.manual_seed(0)
    layer = new_layer(dtype)
    optimizer = by_count(layer)
    train(layer, optimizer, 0, 10)
    optimizer.state[layer.weight]["count"][0] = 2**24 + 1  # float32 has no such number
    buffer = io.BytesIO()
    torch.save({"layer": layer.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    again = new_layer(dtype)
    fresh = by_count(again)
    again.load_state_dict(saved["layer"])
    fresh.load_state_dict(saved["optimizer"])
    for part, its in ((layer, optimizer), (again, fresh)):
        torch.manual_seed(1)
        train(part, its, 10, 20)
    assert torch.equal(layer.weight.detach(), again.weight.detach())
    assert torch.equal(optimizer.state[layer.weight]["count"], fresh.state[again.weight]["count"])


def test_copies_keep_counting():
    layer = new_layer()
    optimizer = by_count(layer)
    train(layer, optimizer, 0, 10)
    again, its = copy.deepcopy((layer, optimizer))
    train(layer, optimizer, 10, 20)
    train(again, its, 10, 20)
    assert torch.equal(layer.weight.detach(), again.weight.detach())


def test_a_frozen_row_keeps_its_vector_and_its_count():
    layer = new_layer()
    optimizer, plain = by_count(layer), Plain(layer.weight, 0.3)
    train(layer, optimizer, 0, 5, plain)
    layer.freeze([0, 3])
    train(layer, optimizer, 5, 15, plain, frozen=[0, 3])
    assert_same(layer, optimizer, plain)
    layer.unfreeze()
    train(layer, optimizer, 15, 20, plain)
    assert_same(layer, optimizer, plain)


def test_rows_that_a_table_grows_by_begin_at_a_count_of_zero():
    layer = new_layer()
    optimizer = by_count(layer)
    train(layer, optimizer, 0, 10)
    before = optimizer.state[layer.weight]["count"].clone()
    layer.grow(5)
    optimizer.zero_grad()
    layer(torch.tensor([N_ROWS + 1, N_ROWS + 1])).sum().backward()
    optimizer.step()
    count = optimizer.state[layer.weight]["count"]
    assert torch.equal(count[:N_ROWS], before)
    assert count[N_ROWS:, 0].tolist() == [0, 2, 0, 0, 0]


def test_counts_are_kept_in_the_files_of_a_table(tmp_path):
    whole = new_layer()
    train(whole, by_count(whole), 0, 20)
    layer = new_layer()
    keep_in_files(layer.weight, tmp_path / "table")
    train(layer, by_count(layer), 0, 12)
    del layer
    again = torch.nn.Embedding(N_ROWS, DIM)
    again.weight = open_table(tmp_path / "table")
    train(again, by_count(again), 12, 20)
    torch.testing.assert_close(again.weight.detach(), whole.weight.detach(), rtol=1e-12, atol=1e-12)


def test_only_the_group_that_asks_for_it_is_counted():
    model = torch.nn.ModuleDict({"a": new_layer(), "b": new_layer(), "head": torch.nn.Linear(2, 2)})
    groups = [
        {"params": model["a"], "row_lr": "by_count"},
        {"params": model["b"], "momentum": 0.9},
        {"params": model["head"]},
    ]
    optimizer = plectrum.optim.SGD(groups, lr=0.1)
    (
        model["a"](zipf_ids(0)).sum() + model["b"](zipf_ids(0)).sum() + model["head"](torch.ones(2)).sum()
    ).backward()
    optimizer.step()
    assert "count" in optimizer.state[model["a"].weight]
    assert "count" not in optimizer.state[model["b"].weight]


@pytest.mark.parametrize("name", ["momentum", "weight_decay"])
def test_what_the_rule_is_not_for_is_refused_with_the_way_out(name):
    layer = new_layer()
    with pytest.raises(OptimizerError, match=rf"`{name}` of `SGD` must be 0 with .*; got 0.1\. .*\"same\""):
        by_count(layer, **{name: 0.1})
    optimizer = by_count(new_layer())
    optimizer.param_groups[0][name] = 0.1
    with pytest.raises(OptimizerError, match=f"`{name}` of `SGD` must be 0"):
        train_one(optimizer)
    head = torch.nn.Linear(2, 2)  # no table: momentum is welcome
    by_count([{"params": new_layer()}, {"params": head, name: 0.1}])


def train_one(optimizer):
    (weight,) = optimizer.param_groups[0]["params"]
    torch.nn.functional.embedding(zipf_ids(0), weight).sum().backward()
    optimizer.step()


def test_an_unknown_choice_is_named():
    with pytest.raises(
        ArgumentError, match="`row_lr` of `SGD` must be one of 'same', 'by_count'; got 'rare'"
    ):
        plectrum.optim.SGD(new_layer(), row_lr="rare")


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # what torch asks between two graphs
def test_compiled_lookups_are_counted_beside_others():
    results = []
    for compiled in (False, True):
        torch.compiler.reset()
        torch.manual_seed(0)
        layer = new_layer()
        optimizer = by_count(layer)
        look_up = torch.compile(layer, backend="eager") if compiled else layer
        for step in range(4):
            (look_up(zipf_ids(step)).sum() + layer(zipf_ids(step + 1)).square().sum()).backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append(layer.weight.detach())
    assert torch.equal(*results)


def test_gradients_of_which_nobody_can_say_how_often_rows_occur_are_refused_before_anything_moves():
    layer = new_layer()
    optimizer = by_count(layer)
    before = layer.weight.detach().clone()
    layer.weight.sum().backward()
    with pytest.raises(OptimizerError, match=r"must be of rows .* got a dense one, of shape \(60, 4\)"):
        optimizer.step()
    optimizer.zero_grad()
    layer.weight.grad = torch.zeros(N_ROWS, DIM, dtype=torch.float64).to_sparse(1)
    with pytest.raises(OptimizerError, match="must come from lookups that were seen"):
        optimizer.step()
    optimizer.zero_grad()
    assert torch.equal(layer.weight.detach(), before)


def test_several_processes_are_refused(monkeypatch):
    layer = new_layer(sparse=True)
    optimizer = by_count(layer)
    layer(zipf_ids(0)).sum().backward()
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.raises(OptimizerError, match="'same' where processes train together; got 'by_count' and 2"):
        optimizer.step()


def test_parameters_of_which_none_is_known_as_a_table_are_refused():
    layer = torch.nn.Embedding(N_ROWS, DIM)
    optimizer = by_count(layer.parameters())
    layer(zipf_ids(0)).sum().backward()
    with pytest.raises(OptimizerError, match=r"must hold a table .*; got 1 parameters, none of which"):
        optimizer.step()
    sparse = torch.nn.Embedding(N_ROWS, DIM, sparse=True)
    with pytest.raises(OptimizerError, match="in place of the module"):
        train(sparse, by_count(sparse.parameters()), 0, 1)
    ours = new_layer()
    train(ours, by_count(ours.parameters()), 0, 1)  # layers of plectrum's are known by their parameters


def test_lookups_are_not_noted_where_nobody_counts_them():
    layer = new_layer()
    plectrum.optim.SGD(layer, lr=0.1, dense_below=0)
    assert layer(zipf_ids(0))._backward_hooks is None


def factorised(optimizer, *, n_rows=3000, dim=8, n=40_000, batch_size=1024, epochs=3):
    """Train on products of hidden vectors whose ids follow Zipf's law; return the error on new pairs."""
    rng = np.random.default_rng(0)
    odds = 1 / np.arange(1, n_rows + 1) ** 1.05
    left, right = (torch.from_numpy(rng.choice(n_rows, n, p=odds / odds.sum())) for _ in range(2))
    hidden = torch.from_numpy(rng.normal(0, dim**-0.25, (2, n_rows, dim)))
    target = (hidden[0][left] * hidden[1][right]).sum(dim=1) + torch.from_numpy(rng.normal(0, 0.3, n))
    torch.manual_seed(0)
    tables = torch.nn.ModuleList(torch.nn.Embedding(n_rows, dim, dtype=torch.float64) for _ in range(2))
    for table in tables:
        torch.nn.init.normal_(table.weight, std=0.1)
    optimizer = optimizer(tables)
    cut = n * 9 // 10
    for _ in range(epochs):
        for rows in torch.randperm(cut).split(batch_size):
            optimizer.zero_grad()
            found = (tables[0](left[rows]) * tables[1](right[rows])).sum(dim=1)
            (found - target[rows]).square().mean().backward()
            optimizer.step()
    found = (tables[0](left[cut:]) * tables[1](right[cut:])).sum(dim=1)
    return (found - target[cut:]).square().mean().sqrt().item()


def best(row_lr, rates):
    """Return the smallest error over the rates, and check that a rate beyond the best was tried."""
    errors = [factorised(lambda m, lr=lr: plectrum.optim.SGD(m, lr=lr, row_lr=row_lr)) for lr in rates]
    errors = [math.inf if math.isnan(e) else e for e in errors]
    assert errors.index(min(errors)) not in {0, len(rates) - 1}, errors
    return min(errors)


def test_zipf_keys_are_learned_better_than_at_the_best_rate_for_all():
    same = best("same", 2.0 ** np.arange(1, 6, 0.5))
    counted = best("by_count", 2.0 ** np.arange(5, 11, 0.5))
    assert counted < 0.97 * same, (counted, same)
