"""Every optimizer with its options: changed while it trains, with rows frozen or added, in sixteen bits."""

import copy

import pytest
import torch

import plectrum.nn
import plectrum.optim
from plectrum.errors import OptimizerError
from plectrum.rows import RowParameter, hold_rows, keep_in_files, ledger_of

N_ROWS, DIM = 60, 4
EVERY_OPTIMIZER = {
    "SGD": ("SGD", {"lr": 0.02}),
    "SGD, momentum and decay": ("SGD", {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}),
    "SGD, Nesterov": ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "Adagrad": ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.3}),
    "RowwiseAdagrad": ("RowwiseAdagrad", {"lr": 0.1}),
    "Adam": ("Adam", {"lr": 0.05}),
    "AdamW": ("AdamW", {"lr": 0.05, "weight_decay": 0.1}),
    "SGD, frozen": ("SGD", {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1, "absent_rows": "frozen"}),
    "Adagrad, frozen, L2": ("Adagrad", {"lr": 0.1, "weight_decay": 0.1, "absent_rows": "frozen"}),
    "RowwiseAdagrad, frozen, L2": (
        "RowwiseAdagrad",
        {"lr": 0.1, "weight_decay": 0.1, "absent_rows": "frozen"},
    ),
    "Adam, frozen, amsgrad, L2": (
        "Adam",
        {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1, "absent_rows": "frozen"},
    ),
    "AdamW, frozen": ("AdamW", {"lr": 0.05, "weight_decay": 0.1, "absent_rows": "frozen"}),
}
every_optimizer = pytest.mark.parametrize("name", list(EVERY_OPTIMIZER))


def optimizer_of(name, layer):
    kind, options = EVERY_OPTIMIZER[name]
    return getattr(plectrum.optim, kind)(layer, dense_below=0, **options)


def batches(n=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        yield torch.randint(0, N_ROWS, (6, 3), generator=generator) // 2


def step(layer, optimizer, ids, *, dense=False):
    optimizer.zero_grad()
    loss = layer(ids).float().pow(2).sum()
    (loss + layer.weight.float().pow(2).mean() if dense else loss).backward()
    optimizer.step()


def train(layer, optimizer, seed=0, **how):
    for ids in batches(seed=seed):
        step(layer, optimizer, ids, **how)


# ---------------------------------------------------------------------------------- options set later

CHANGES = {
    "SGD, decay": ("SGD", {"lr": 0.02}, {"weight_decay": 0.1}),
    "SGD, momentum": ("SGD", {"lr": 0.02}, {"momentum": 0.9}),
    "SGD, momentum and Nesterov": ("SGD", {"lr": 0.02}, {"momentum": 0.9, "nesterov": True}),
    "SGD, another momentum": ("SGD", {"lr": 0.02, "momentum": 0.9}, {"momentum": 0.5}),
    "SGD, no more momentum": ("SGD", {"lr": 0.02, "momentum": 0.9}, {"momentum": 0.0}),
    "SGD, dampening": ("SGD", {"lr": 0.02, "momentum": 0.9}, {"dampening": 0.5}),
    "SGD, maximize": ("SGD", {"lr": 0.02, "momentum": 0.9}, {"maximize": True}),
    "Adagrad, lr_decay": ("Adagrad", {"lr": 0.1}, {"lr_decay": 0.5}),
    "Adagrad, eps": ("Adagrad", {"lr": 0.1}, {"eps": 0.1}),
    "AdamW, decay": ("AdamW", {"lr": 0.05}, {"weight_decay": 0.5}),
    "AdamW, betas": ("AdamW", {"lr": 0.05}, {"betas": (0.5, 0.9)}),
    "AdamW, eps": ("AdamW", {"lr": 0.05}, {"eps": 0.01}),
    "AdamW, lr of 0": ("AdamW", {"lr": 0.05}, {"lr": 0.0}),
    "AdamW, lr as a tensor": ("AdamW", {"lr": 0.05}, {"lr": torch.tensor(0.03, dtype=torch.float64)}),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_options_that_are_set_in_the_middle_of_training_are_followed(name):
    kind, options, change = CHANGES[name]
    torch.manual_seed(0)
    ours = torch.nn.Embedding(N_ROWS, DIM, dtype=torch.float64)
    theirs = copy.deepcopy(ours)
    pairs = [
        (ours, getattr(plectrum.optim, kind)(ours, dense_below=0, **options)),
        (theirs, getattr(torch.optim, kind)(theirs.parameters(), **options)),
    ]
    for layer, optimizer in pairs:
        for k, ids in enumerate(batches(16)):
            if k == 6:
                optimizer.param_groups[0].update(change)
            optimizer.zero_grad()
            layer(ids).pow(2).sum().backward()
            optimizer.step()
    assert ledger_of(ours.weight).last is not None or kind == "Adagrad"
    torch.testing.assert_close(ours.weight.detach(), theirs.weight.detach(), rtol=0, atol=1e-11)


WITH_ZEROS = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1},
    "Adagrad": {"lr_decay": 0.1},
    "Adam": {},
    "AdamW": {"weight_decay": 0.1},
}


@pytest.mark.parametrize("kind", list(WITH_ZEROS))
@pytest.mark.parametrize("model", ["Embedding", "EmbeddingBag", "EmbeddingTables", "dense gradient"])
def test_a_step_on_gradients_of_zero_is_torchs(kind, model):
    make = {
        "EmbeddingBag": lambda: plectrum.nn.EmbeddingBag(N_ROWS, DIM, mode="sum", dtype=torch.float64),
        "EmbeddingTables": lambda: plectrum.nn.EmbeddingTables(
            {"a": (N_ROWS, 4), "b": (N_ROWS, 3), "c": (N_ROWS, 4)}, dtype=torch.float64
        ),
    }.get(model, lambda: plectrum.nn.Embedding(N_ROWS, DIM, dtype=torch.float64))
    torch.manual_seed(0)
    ours = make()
    theirs = copy.deepcopy(ours)
    pairs = [
        (ours, getattr(plectrum.optim, kind)(ours, lr=0.05, dense_below=0, **WITH_ZEROS[kind])),
        (theirs, getattr(torch.optim, kind)(theirs.parameters(), lr=0.05, **WITH_ZEROS[kind])),
    ]
    for layer, optimizer in pairs:
        for k, ids in enumerate(batches(20)):
            if k % 7:
                optimizer.zero_grad(set_to_none=False)
            else:
                optimizer.zero_grad()
            for _ in range(k % 3):  # at times there is no gradient, at times there are two
                found = layer(ids).pow(2).sum()
                (found + (layer.weight**2).mean() if model == "dense gradient" else found).backward()
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.detach(), other.detach(), rtol=0, atol=1e-11)


def test_a_gradient_can_still_be_read_after_the_step_that_gave_the_table_a_clock():
    layer = torch.nn.Embedding(N_ROWS, 4000)
    optimizer = plectrum.optim.SGD(layer, lr=0.1, dense_below=0)
    optimizer.param_groups[0]["momentum"] = 0.9
    layer(torch.arange(40)).sum().backward()
    optimizer.step()
    assert layer.weight.grad._nnz() == 40


def test_tables_that_get_momentum_later_share_a_clock_and_keep_frozen_rows():
    def model():
        return plectrum.nn.EmbeddingTables({"a": (N_ROWS, 4), "b": (N_ROWS, 6)}, dtype=torch.float64)

    torch.manual_seed(0)
    ours = model()
    theirs = copy.deepcopy(ours)
    pairs = [
        (ours, plectrum.optim.SGD(ours, lr=0.1, dense_below=0)),
        (theirs, torch.optim.SGD(theirs.parameters(), lr=0.1)),
    ]
    for layer, optimizer in pairs:
        layer.freeze("a", [3, 7])
        for k, ids in enumerate(batches(16)):
            if k == 6:
                optimizer.param_groups[0].update(momentum=0.9, weight_decay=0.1)
            optimizer.zero_grad()
            layer(ids[:, :2]).pow(2).sum().backward()
            optimizer.step()
    for name in ours:
        torch.testing.assert_close(ours[name].detach(), theirs[name].detach(), rtol=0, atol=1e-11)
    first, second = (ledger_of(ours[name]) for name in ours)
    assert first.series is second.series


def test_momentum_that_comes_later_is_refused_for_a_table_in_files(tmp_path):
    layer = torch.nn.Embedding(N_ROWS, DIM)
    keep_in_files(layer.weight, tmp_path / "table")
    optimizer = plectrum.optim.SGD(layer, lr=0.1, dense_below=0)
    step(layer, optimizer, torch.arange(5))
    optimizer.param_groups[0]["momentum"] = 0.9
    with pytest.raises(OptimizerError, match="set from the first step of a table in files"):
        step(layer, optimizer, torch.arange(5))


def test_momentum_that_comes_back_is_refused():
    layer = torch.nn.Embedding(N_ROWS, DIM)
    optimizer = plectrum.optim.SGD(layer, lr=0.1, momentum=0.9, dense_below=0)
    for momentum in (0.9, 0.0):
        optimizer.param_groups[0]["momentum"] = momentum
        step(layer, optimizer, torch.arange(5))
    optimizer.param_groups[0]["momentum"] = 0.5
    with pytest.raises(OptimizerError, match="`momentum` of `SGD` must not come back"):
        step(layer, optimizer, torch.arange(5))


@pytest.mark.parametrize("kind", ["SGD", "Adagrad", "AdamW"])
def test_a_group_that_is_added_in_the_middle_of_training_has_its_own_options(kind):
    torch.manual_seed(0)
    weights = torch.randn(2, N_ROWS, DIM, dtype=torch.float64)
    found = []
    for room in (plectrum.optim, torch.optim):
        first, second = (torch.nn.Embedding(N_ROWS, DIM, _weight=w.clone()) for w in weights)
        options = {"momentum": 0.9} if kind == "SGD" else {}
        more = {"dense_below": 0} if room is plectrum.optim else {}
        optimizer = getattr(room, kind)(first.parameters(), lr=0.05, **options, **more)
        if room is plectrum.optim:
            optimizer = getattr(room, kind)(first, lr=0.05, **options, **more)
        for k, ids in enumerate(batches(20)):
            if k == 6:
                optimizer.add_param_group(
                    {"params": second if room is plectrum.optim else list(second.parameters()), "lr": 0.01}
                )
            optimizer.zero_grad()
            (first(ids).pow(2).sum() + second(ids + 7).pow(2).sum()).backward()
            optimizer.step()
        found.append(torch.stack([first.weight.detach(), second.weight.detach()]))
        assert isinstance(second.weight, RowParameter) == (room is plectrum.optim)
    torch.testing.assert_close(*found, rtol=0, atol=1e-11)


# ------------------------------------------------------------------------------ rows under control


def states_of(layer, optimizer):
    return {k: v.clone() for k, v in optimizer.state[layer.weight].items() if v.dim() == 2}


@every_optimizer
@pytest.mark.parametrize("kind", [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_frozen_rows_stay_bit_for_bit_with_their_state(name, kind, dtype):
    torch.manual_seed(0)
    layer = kind(N_ROWS, DIM, dtype=dtype)
    optimizer = optimizer_of(name, layer)
    train(layer, optimizer)  # so that there is momentum
    held = torch.tensor([2, 5, 40, 59])
    layer.freeze(held)
    before, states = layer.weight.detach().clone(), states_of(layer, optimizer)
    train(layer, optimizer, seed=1)
    train(layer, optimizer, seed=2, dense=True)
    optimizer.state_dict()  # which brings all rows up to date
    assert torch.equal(layer.weight.detach()[held], before[held])
    for key, state in states.items():
        assert torch.equal(optimizer.state[layer.weight][key][held], state[held])
    assert (layer.weight.detach() != before).any(dim=1).sum() > 20


@every_optimizer
@pytest.mark.parametrize("kind", [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag])
def test_train_only_moves_these_rows_and_no_others(name, kind):
    torch.manual_seed(0)
    layer = kind(N_ROWS, DIM)
    optimizer = optimizer_of(name, layer)
    train(layer, optimizer)
    layer.train_only([1, 7])
    before = layer.weight.detach().clone()
    train(layer, optimizer, seed=1)
    train(layer, optimizer, seed=2, dense=True)
    assert (layer.weight.detach() != before).any(dim=1).nonzero().flatten().tolist() == [1, 7]


@every_optimizer
@pytest.mark.parametrize("kind", [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag])
def test_growing_keeps_old_rows_and_their_state_bit_for_bit_and_the_parameter(name, kind):
    torch.manual_seed(0)
    layer = kind(N_ROWS, DIM)
    optimizer = optimizer_of(name, layer)
    train(layer, optimizer)
    weight, before = layer.weight, layer.weight.detach().clone()
    states = states_of(layer, optimizer)
    layer.grow(50)
    optimizer.zero_grad()
    optimizer.step()  # without gradients: the state grows, nothing moves
    assert layer.weight is weight
    assert torch.equal(weight.detach()[:N_ROWS], before)
    for key, state in states.items():
        grown = optimizer.state[weight][key]
        assert grown.shape[0] == N_ROWS + 50
        assert torch.equal(grown[:N_ROWS], state)
    whole = weight.detach().clone()
    step(layer, optimizer, torch.tensor([[N_ROWS + 49, N_ROWS, 3]]))
    moved = (weight.detach() != whole).any(dim=1)
    assert moved[[N_ROWS + 49, N_ROWS, 3]].all()


def test_the_state_of_a_table_of_another_size_is_refused():
    def trained(n_rows):
        layer = torch.nn.Embedding(n_rows, DIM)
        optimizer = plectrum.optim.AdamW(layer, dense_below=0)
        step(layer, optimizer, torch.arange(5))
        return layer, optimizer

    layer, optimizer = trained(N_ROWS)
    optimizer.load_state_dict(trained(N_ROWS - 20)[1].state_dict())
    with pytest.raises(OptimizerError, match=r"`exp_avg` .* must have shape \(60, 4\) there; got \(40, 4\)"):
        step(layer, optimizer, torch.tensor([59]))


def test_the_state_of_a_table_on_another_device_is_refused():
    layer = torch.nn.Embedding(N_ROWS, DIM)
    optimizer = plectrum.optim.Adagrad(layer, dense_below=0)
    step(layer, optimizer, torch.arange(5))
    optimizer.state[layer.weight]["sum"] = torch.empty(N_ROWS, DIM, device="meta")
    with pytest.raises(OptimizerError, match=r"on cpu must have .* got \(60, 4\) on meta"):
        step(layer, optimizer, torch.arange(5))


# ------------------------------------------------------------------------------------------ threads


@every_optimizer
def test_a_training_has_the_same_bits_with_any_number_of_threads_and_from_run_to_run(name):
    before, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 3, 2):
            torch.set_num_threads(n_threads)
            generator = torch.Generator().manual_seed(0)
            layer = torch.nn.Embedding(2000, 40, _weight=torch.randn(2000, 40, generator=generator))
            optimizer = optimizer_of(name, layer)
            for _ in range(6):
                ids = (torch.rand(5000, generator=generator) ** 3 * 2000).long()
                slope = torch.randn(5000, 40, generator=generator)
                optimizer.zero_grad()
                layer(ids).backward(slope)
                optimizer.step()
            found.append(layer.weight.detach())
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0], other) for other in found[1:])


# --------------------------------------------------------------------------------------- sixteen bits


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_table_of_sixteen_bits_goes_where_one_of_thirty_two_goes(name, dtype):
    found = []
    for kind in (dtype, torch.float32):
        torch.manual_seed(0)
        layer = torch.nn.Embedding(30, 512, dtype=kind)
        torch.nn.init.ones_(layer.weight)
        options = EVERY_OPTIMIZER[name][1]
        optimizer = getattr(plectrum.optim, EVERY_OPTIMIZER[name][0])(
            layer, dense_below=0, **{**options, "lr": options["lr"] / 50}
        )
        for k in range(60):
            optimizer.zero_grad()
            layer(torch.arange(k % 20, k % 20 + 10)).float().sum().backward()
            optimizer.step()
        found.append(layer.weight.detach().float().mean(dim=1))
    way = (found[1] - 1).abs().max()
    assert way > 1e-3
    assert (found[0] - found[1]).abs().max() < 0.03 * way + 4e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "AdamW"])
def test_a_small_table_of_sixteen_bits_loses_no_small_step_either(name, dtype):
    torch.manual_seed(0)
    layer = torch.nn.Embedding(10, 64, dtype=dtype)
    torch.nn.init.ones_(layer.weight)
    optimizer = getattr(plectrum.optim, name)(layer, lr=1e-4)
    for _ in range(200):
        optimizer.zero_grad()
        layer(torch.arange(10)).float().sum().backward()
        optimizer.step()
    expected = 1 - 1e-4 * sum(k**-0.5 for k in range(1, 201)) if name == "Adagrad" else 0.98
    assert abs(layer.weight.detach().float().mean().item() - expected) < 2e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_table_that_was_stepped_densely_in_sixteen_bits_goes_on_when_rows_are_frozen(dtype):
    torch.manual_seed(0)
    layer = torch.nn.Embedding(N_ROWS, DIM, dtype=dtype)
    optimizer = plectrum.optim.AdamW(layer.parameters(), lr=0.05, eps=1e-4)  # not known as a table
    train(layer, optimizer)
    assert type(layer.weight) is torch.nn.Parameter
    hold_rows(layer.weight, torch.arange(N_ROWS) == 3)
    before = layer.weight.detach().clone()
    train(layer, optimizer, seed=1)
    assert layer.weight.isfinite().all()
    assert torch.equal(layer.weight[3], before[3])
