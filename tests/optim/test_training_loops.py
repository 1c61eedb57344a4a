"""What surrounds a step in real training loops: each works, or says clearly that it cannot."""

import copy
import io

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import plectrum.nn
import plectrum.optim
from plectrum.errors import ArgumentError, OptimizerError
from plectrum.rows import RowParameter, ledger_of, release, tables_of

N_ROWS, DIM = 60, 4
OPTIMIZERS = {
    "SGD": {"lr": 0.02, "momentum": 0.9},
    "Adagrad": {"lr": 0.1},
    "Adam": {"lr": 0.05},
    "AdamW": {"lr": 0.05, "weight_decay": 0.1},
}
every_optimizer = pytest.mark.parametrize("name", list(OPTIMIZERS))


class Model(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.table = torch.nn.Embedding(N_ROWS, DIM, **options)
        self.head = torch.nn.Linear(DIM, 1)

    def forward(self, ids):
        return self.head(self.table(ids).sum(dim=1)).squeeze(1)


def twins(name="AdamW", model=Model, ours=None, theirs=None, **options):
    torch.manual_seed(0)
    first = model()
    second = copy.deepcopy(first)
    settings = {**OPTIMIZERS[name], **options}
    mine = getattr(plectrum.optim, name)(first, dense_below=0, **settings, **(ours or {}))
    other = getattr(torch.optim, name)(second.parameters(), **settings, **(theirs or {}))
    return (first, mine), (second, other)


def batches(n=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        yield torch.randint(0, N_ROWS, (6, 3), generator=generator) // 2, torch.randn(6, generator=generator)


def loss_of(model, ids, target):
    return ((model(ids) - target) ** 2).mean()


def train(model, optimizer, n=12, seed=0):
    for ids, target in batches(n, seed):
        optimizer.zero_grad()
        loss_of(model, ids, target).backward()
        optimizer.step()


def assert_same_weights(first, second, tolerance=1e-5):
    for (name, a), (_, b) in zip(first.state_dict().items(), second.state_dict().items(), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


@every_optimizer
def test_a_whole_model_trains_as_with_torch(name):
    (a, mine), (b, other) = twins(name)
    train(a, mine)
    train(b, other)
    assert isinstance(a.table.weight, RowParameter)
    assert_same_weights(a, b)


@every_optimizer
def test_gradients_of_several_backward_passes_add_up(name):
    (a, mine), (b, other) = twins(name)
    for model, optimizer in ((a, mine), (b, other)):
        for k, (ids, target) in enumerate(batches()):
            loss_of(model, ids, target).backward()
            if k % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
    assert_same_weights(a, b)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
def test_clipping_by_norm_gives_torchs_numbers(norm_type):
    (a, mine), (b, other) = twins()
    for ids, target in batches():
        norms = []
        for model, optimizer in ((a, mine), (b, other)):
            optimizer.zero_grad()
            loss_of(model, ids, target).backward()
            if model is a:
                norms.append(mine.clip_grad_norm_(0.1, norm_type))
            else:
                norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1, norm_type))
            optimizer.step()
        torch.testing.assert_close(*norms)
    assert_same_weights(a, b)


def test_clipping_by_value_gives_torchs_numbers():
    (a, mine), (b, other) = twins()
    for ids, target in batches():
        for model, optimizer in ((a, mine), (b, other)):
            optimizer.zero_grad()
            loss_of(model, ids, target).backward()
            if model is a:
                mine.clip_grad_value_(0.01)
            else:
                torch.nn.utils.clip_grad_value_(model.parameters(), 0.01)
            optimizer.step()
    assert_same_weights(a, b)


def test_a_norm_that_is_not_finite_raises_when_asked():
    (a, mine), _ = twins()
    (a(torch.tensor([[1]])) * float("inf")).sum().backward()
    with pytest.raises(OptimizerError, match="must be finite"):
        mine.clip_grad_norm_(1.0, error_if_nonfinite=True)


@pytest.mark.parametrize("clip", [torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_])
def test_torchs_own_clipping_never_ignores_rows(clip):
    (a, _), (b, _) = twins()
    for ids, target in batches(1):
        for model in (a, b):
            loss_of(model, ids, target).backward()
    clip(b.parameters(), 0.01)
    try:
        clip(a.parameters(), 0.01)
    except (RuntimeError, NotImplementedError):
        return
    torch.testing.assert_close(a.table.weight.grad.to_dense(), b.table.weight.grad)


@every_optimizer
def test_a_scheduler_and_groups_are_followed(name):
    torch.manual_seed(0)
    a = Model()
    b = copy.deepcopy(a)
    found = []
    for model, room in ((a, plectrum.optim), (b, torch.optim)):
        groups = [{"params": model.table.parameters()}, {"params": model.head.parameters(), "lr": 0.01}]
        if room is plectrum.optim:
            groups[0]["params"] = model.table
        extra = {"dense_below": 0} if room is plectrum.optim else {}
        optimizer = getattr(room, name)(groups, **OPTIMIZERS[name], **extra)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4, eta_min=0.0)
        for ids, target in batches():
            optimizer.zero_grad()
            loss_of(model, ids, target).backward()
            optimizer.step()
            scheduler.step()
        found.append(optimizer.param_groups[1]["lr"])
    assert isinstance(a.table.weight, RowParameter)
    assert found[0] == found[1]
    assert_same_weights(a, b)


def test_one_cycle_that_moves_the_betas_is_followed():
    (a, mine), (b, other) = twins()
    for model, optimizer in ((a, mine), (b, other)):
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=13)
        for ids, target in batches():
            optimizer.zero_grad()
            loss_of(model, ids, target).backward()
            optimizer.step()
            scheduler.step()
    assert_same_weights(a, b)


def test_a_closure_is_evaluated_and_its_loss_returned():
    (a, mine), (b, other) = twins()
    for ids, target in batches():
        losses = []
        for model, optimizer in ((a, mine), (b, other)):

            def closure(model=model, optimizer=optimizer, ids=ids, target=target):
                optimizer.zero_grad()
                loss = loss_of(model, ids, target)
                loss.backward()
                return loss

            losses.append(optimizer.step(closure).item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert_same_weights(a, b)


@every_optimizer
def test_state_can_be_saved_and_loaded_and_training_goes_on_with_the_same_bits(name):
    (a, mine), _ = twins(name)
    train(a, mine)
    buffer = io.BytesIO()
    torch.save({"model": a.state_dict(), "optimizer": mine.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    (c, fresh), _ = twins(name)
    c.load_state_dict(saved["model"])
    fresh.load_state_dict(saved["optimizer"])
    train(a, mine, seed=1)
    train(c, fresh, seed=1)
    assert_same_weights(a, c, tolerance=0)


@every_optimizer
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_state_of_tables_of_sixteen_bits_is_loaded_as_it_was_saved(name, dtype):
    found = []
    for is_reloaded in (False, True):
        layer = torch.nn.Embedding(N_ROWS, DIM, dtype=dtype)
        torch.nn.init.ones_(layer.weight)
        optimizer = getattr(plectrum.optim, name)(layer, dense_below=0, **OPTIMIZERS[name])
        for k in range(6):
            if k == 3 and is_reloaded:
                saved = optimizer.state_dict()
                optimizer = getattr(plectrum.optim, name)(layer, dense_below=0, **OPTIMIZERS[name])
                optimizer.load_state_dict(saved)
            torch.manual_seed(k)  # of the rounding
            layer(torch.arange(20 + k)).float().pow(2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            optimizer.catch_up()
        optimizer.state_dict()  # writes the number of steps down
        found.append((layer.weight.detach(), dict(optimizer.state[layer.weight])))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0, atol=0)
    for key, state in found[0][1].items():
        torch.testing.assert_close(found[1][1][key], state, rtol=0, atol=0)


@every_optimizer
def test_state_is_exchanged_with_torchs_dense_optimizer_both_ways(name):
    (a, mine), (b, other) = twins(name)
    train(a, mine)
    train(b, other)
    (c, fresh), (d, foreign) = twins(name)
    c.load_state_dict(b.state_dict())
    fresh.load_state_dict(copy.deepcopy(other.state_dict()))
    d.load_state_dict(a.state_dict())
    foreign.load_state_dict(copy.deepcopy(mine.state_dict()))
    for model, optimizer in ((b, other), (c, fresh), (d, foreign)):
        train(model, optimizer, seed=1)
    assert_same_weights(c, b)
    assert_same_weights(d, b)


def test_grad_scaler_scales_and_skips_what_overflows():
    (a, mine), (b, other) = twins()
    for model, optimizer in ((a, mine), (b, other)):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
        for k, (ids, target) in enumerate(batches()):
            optimizer.zero_grad()
            loss = loss_of(model, ids, target) * (float("inf") if k == 5 else 1.0)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        assert scaler.get_scale() == 2.0**7
    assert_same_weights(a, b)


def test_steps_that_the_user_skips_leave_no_trace():
    (a, mine), (b, other) = twins()
    for model, optimizer in ((a, mine), (b, other)):
        for k, (ids, target) in enumerate(batches()):
            optimizer.zero_grad()
            (loss_of(model, ids, target) * (float("nan") if k == 5 else 1.0)).backward()
            if k != 5:
                optimizer.step()
    assert_same_weights(a, b)


@every_optimizer
def test_a_step_without_a_gradient_lets_the_table_rest_as_torch_does(name):
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = torch.nn.Embedding(N_ROWS, DIM), torch.nn.Embedding(N_ROWS, DIM)

    (a, mine), (b, other) = twins(name, Two)
    for model, optimizer in ((a, mine), (b, other)):
        for k, (ids, _) in enumerate(batches()):
            optimizer.zero_grad()
            loss = (model.left(ids) ** 2).sum()
            if k % 3:
                loss = loss + (model.right(ids + 3) ** 2).sum()
            loss.backward()
            optimizer.step()
    assert_same_weights(a, b)


@every_optimizer
def test_tied_weights_get_dense_gradients_and_the_same_numbers(name):
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(N_ROWS, DIM)
            self.out = torch.nn.Linear(DIM, N_ROWS, bias=False)
            self.out.weight = self.table.weight

        def forward(self, ids):
            return self.out(self.table(ids).mean(dim=1))

    (a, mine), (b, other) = twins(name, Tied)
    for model, optimizer in ((a, mine), (b, other)):
        for k, (ids, _) in enumerate(batches()):
            optimizer.zero_grad()
            found = model(ids) if k % 2 else model.table(ids)
            found.pow(2).mean().backward()
            optimizer.step()
    assert_same_weights(a, b)


@every_optimizer
def test_one_table_used_twice_in_a_graph(name):
    (a, mine), (b, other) = twins(name)
    for model, optimizer in ((a, mine), (b, other)):
        for ids, target in batches():
            optimizer.zero_grad()
            both = model.table(ids).sum(1) * model.table(ids.flip(0) + 5).sum(1)
            ((model.head(both).squeeze(1) - target) ** 2).mean().backward()
            optimizer.step()
    assert_same_weights(a, b)


def test_hooks_see_the_gradient_and_may_change_it():
    (a, mine), (b, other) = twins()
    seen = []
    a.table.weight.register_hook(lambda g: (seen.append(g.is_sparse), g * 0.5)[1])
    b.table.weight.register_hook(lambda g: g * 0.5)
    train(a, mine)
    train(b, other)
    assert seen == [True] * 12
    assert_same_weights(a, b)


@every_optimizer
def test_hooks_around_a_step_are_called_and_a_profiler_sees_it(name):
    (model, optimizer), _ = twins(name)
    called = []
    handles = [
        optimizer.register_step_pre_hook(lambda *_: called.append("before")),
        optimizer.register_step_post_hook(lambda *_: called.append("after")),
        register_optimizer_step_pre_hook(lambda *_: called.append("any, before")),
        register_optimizer_step_post_hook(lambda *_: called.append("any, after")),
    ]
    train(model, optimizer, 1)
    assert called.count("before") == called.count("after") == 1
    # torch's optimizer of the dense parameters steps within
    assert called[:2] == ["any, before", "before"]
    assert called[-2:] == ["after", "any, after"]
    for handle in handles:
        handle.remove()
    train(model, optimizer, 1)
    assert called.count("before") == 1
    with torch.profiler.profile() as profiler:
        train(model, optimizer, 1)
    names = {event.key for event in profiler.key_averages()}
    assert {f"Optimizer.step#{name}.step", f"Optimizer.zero_grad#{name}.zero_grad"} <= names


@every_optimizer
def test_tables_and_states_that_have_moved_in_memory_are_found_again(name):
    (a, mine), (b, other) = twins(name)
    for seed in range(4):
        train(a, mine, 3, seed)
        train(b, other, 3, seed)
        mine.catch_up()
        state = mine.state[a.table.weight]
        if seed == 0:
            a.table.weight.data = a.table.weight.data.clone()
        elif seed == 1:
            state |= {key: value.clone() for key, value in state.items()}
        else:
            for value in state.values():
                value.data = value.data.clone()
    assert_same_weights(a, b)


class Stepped(plectrum.optim.AdamW):
    def step(self, closure=None):
        return super().step(closure)


def test_hooks_are_called_once_by_an_optimizer_with_a_step_of_its_own():
    model, called = Model(), []
    optimizer = Stepped(model, dense_below=0)
    optimizer.register_step_pre_hook(lambda *arguments: called.append(arguments))
    train(model, optimizer, 1)
    assert len(called) == 1


def large(name="SGD", **options):
    layer = torch.nn.Embedding(20_000, 64)
    return layer, getattr(plectrum.optim, name)(layer, lr=0.1, **options)


@pytest.mark.parametrize("when", ["before backward", "before the step", "before a second step"])
def test_ids_that_get_other_memory_change_no_step(when):
    layer, optimizer = large()
    ids, before = torch.arange(5000), layer.weight.detach().clone()
    found = layer(ids).sum()
    if when == "before backward":
        ids.data = torch.arange(19_000)
    found.backward()
    if when == "before the step":
        ids.data = torch.arange(19_000)
    optimizer.step()
    if when == "before a second step":
        ids.data = torch.arange(19_000)
        optimizer.step()
    moved = (layer.weight.detach() - before).abs().amax(1)
    torch.testing.assert_close(moved[:5000], torch.full((5000,), 0.2 if "second" in when else 0.1))
    assert not moved[5000:].any()


def large_and_behind():
    """Return a layer whose first 5,000 rows are a step behind."""
    layer, optimizer = large("AdamW")
    for first in (0, 5000):
        layer(torch.arange(first, first + 5000)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return layer


def test_ids_in_memory_that_numpy_fills_anew_are_brought_up_to_date_again():
    layer = large_and_behind()
    buffer = np.arange(10_000, 15_000)
    with torch.no_grad():
        ids = torch.from_numpy(buffer)
        layer(ids)
        buffer[:] = np.arange(5000)
        found = layer(ids)
    assert torch.equal(found, layer.weight.detach()[:5000])


def test_ids_that_get_other_memory_are_brought_up_to_date_again():
    layer = large_and_behind()
    with torch.no_grad():
        ids = torch.arange(10_000, 15_000)
        layer(ids)
        ids.data = torch.arange(5000)
        found = layer(ids)
    assert torch.equal(found, layer.weight.detach()[:5000])


def test_a_state_that_was_made_smaller_is_refused():
    layer, optimizer = large("AdamW")
    for ids in (torch.arange(5000), torch.arange(15_000, 20_000)):
        if ids[0]:
            optimizer.state[layer.weight]["exp_avg"].resize_(100, 64)
        layer(ids).sum().backward()
        if not ids[0]:
            optimizer.step()
    with pytest.raises(OptimizerError, match="must have shape"):
        optimizer.step()


def test_a_state_that_was_made_smaller_is_refused_before_rows_are_brought_up_to_date_for_another_eps():
    layer, optimizer = large("AdamW")
    layer(torch.arange(5000)).sum().backward()
    optimizer.step()
    layer(torch.arange(100)).sum().backward()
    optimizer.state[layer.weight]["exp_avg"].resize_(100, 64)
    optimizer.param_groups[0]["eps"] = 1e-6
    with pytest.raises(OptimizerError, match="must have shape"):
        optimizer.step()


@pytest.mark.parametrize("n", [10, 5000])
def test_functional_gradients_of_what_is_around_a_lookup(n):
    layer, _ = large()
    ids = torch.arange(n)
    slope = torch.func.grad(lambda scale: (layer(ids) * scale).sum())(torch.tensor(2.0))
    torch.testing.assert_close(slope, layer(ids).sum().detach(), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("sparse", [False, True])
def test_bare_parameters_with_sparse_gradients_are_found_to_be_tables(sparse):
    torch.manual_seed(0)
    a = Model(sparse=sparse)
    b = Model()
    b.load_state_dict(a.state_dict())
    mine = plectrum.optim.AdamW(a.parameters(), lr=0.05, dense_below=0)
    other = torch.optim.AdamW(b.parameters(), lr=0.05)
    train(a, mine)
    train(b, other)
    assert isinstance(a.table.weight, RowParameter) is sparse
    assert_same_weights(a, b)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bags_train_as_with_torch(mode, weighted):
    if weighted and mode != "sum":
        pytest.skip("torch weights only sums")

    class Bags(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.EmbeddingBag(N_ROWS, DIM, mode=mode, padding_idx=2)

    (a, mine), (b, other) = twins("AdamW", Bags)
    for model, optimizer in ((a, mine), (b, other)):
        for ids, target in batches():
            optimizer.zero_grad()
            weights = torch.linspace(-1, 1, 18).reshape(6, 3) if weighted else None
            found = model.table(ids, per_sample_weights=weights)
            ((found.sum(1) - target) ** 2).mean().backward()
            optimizer.step()
    assert_same_weights(a, b)


def test_the_gradient_of_the_largest_is_rows_too():
    layer = torch.nn.EmbeddingBag(100_000, DIM, mode="max")
    plectrum.optim.SGD(layer, lr=0.1)
    layer(torch.tensor([[5, 9, 5], [7, 7, 7]])).sum().backward()
    gradient = layer.weight.grad
    assert gradient.is_sparse
    assert set(gradient._indices()[0].tolist()) <= {5, 7, 9}
    assert gradient.to_dense().sum() == 2 * DIM


@pytest.mark.parametrize(
    "options",
    [
        {"padding_idx": 3},
        {"scale_grad_by_freq": True},
        {"max_norm": 0.5},
        {"padding_idx": -1, "sparse": True},
    ],
)
def test_options_of_the_layer_keep_their_meaning(options):
    def model():
        return torch.nn.Sequential(torch.nn.Embedding(N_ROWS, DIM, **options))

    (a, mine), _ = twins("AdamW", model)
    dense = {**options, "sparse": False}
    b = torch.nn.Sequential(torch.nn.Embedding(N_ROWS, DIM, **dense))
    b.load_state_dict(a.state_dict())
    other = torch.optim.AdamW(b.parameters(), **OPTIMIZERS["AdamW"])
    for layer, optimizer in ((a, mine), (b, other)):
        for ids, _ in batches():
            optimizer.zero_grad()
            layer(ids).pow(2).sum().backward()
            optimizer.step()
    assert_same_weights(a, b)


READERS = {
    "expression": lambda layer: layer.weight * 1,
    "detach": lambda layer: layer.weight.detach().clone(),
    "data": lambda layer: layer.weight.data.clone(),
    "numpy": lambda layer: torch.from_numpy(layer.weight.detach().numpy().copy()),
    "state_dict": lambda layer: layer.state_dict()["weight"].clone(),
    "parameters": lambda layer: next(layer.parameters()).clone(),
    "index": lambda layer: layer.weight[:],
    "index_select": lambda layer: torch.index_select(layer.weight, 0, torch.arange(N_ROWS)),
    "cat": lambda layer: torch.cat([layer.weight]),
    "lookup": lambda layer: layer(torch.arange(N_ROWS)),
    "functional": lambda layer: torch.nn.functional.embedding(torch.arange(N_ROWS), layer.weight),
    "linear": lambda layer: torch.nn.functional.linear(torch.eye(DIM), layer.weight).T,
    "deepcopy": lambda layer: copy.deepcopy(layer).weight,
    "save": lambda layer: load_back(layer).weight,
    "tolist": lambda layer: torch.tensor(layer.weight.tolist()),
    "array": lambda layer: torch.from_numpy(np.array(layer.weight.detach().tolist(), np.float32)),
    "foreach": lambda layer: torch._foreach_add([layer.weight], 0.0)[0],
    "ema": lambda layer: torch.optim.swa_utils.AveragedModel(layer).module.weight,
}


def load_back(layer):
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("how", list(READERS))
def test_every_way_of_reading_sees_rows_that_are_up_to_date(how):
    def model():
        return torch.nn.Embedding(N_ROWS, DIM)

    (a, mine), (b, other) = twins("AdamW", model)
    for layer, optimizer in ((a, mine), (b, other)):
        for ids, _ in batches():
            optimizer.zero_grad()
            layer(ids).pow(2).sum().backward()
            optimizer.step()
    assert ledger_of(a.weight).is_behind
    torch.testing.assert_close(READERS[how](a), READERS[how](b), rtol=1e-5, atol=1e-6)


def test_reading_metadata_moves_no_row():
    (a, mine), _ = twins()
    train(a, mine)
    weight = a.table.weight
    _ = (
        weight.shape,
        weight.dtype,
        weight.device,
        weight.size(0),
        weight.requires_grad,
        weight.grad,
        len(weight),
    )
    _ = weight.numel(), weight.dim(), weight.is_leaf, weight.is_contiguous(), weight.stride(), hash(weight)
    assert ledger_of(weight).is_behind


def test_a_copy_belongs_to_no_optimizer():
    (a, mine), _ = twins()
    train(a, mine)
    copied = copy.deepcopy(a)
    assert type(copied.table.weight) is torch.nn.Parameter
    before = copied.table.weight.detach().clone()
    train(a, mine, seed=1)
    torch.testing.assert_close(copied.table.weight.detach(), before, rtol=0, atol=0)
    copied(torch.tensor([[1]])).sum().backward()
    assert not copied.table.weight.grad.is_sparse


def test_model_and_optimizer_copied_together_train_on_together():
    (a, mine), _ = twins()
    train(a, mine)
    b, other = copy.deepcopy((a, mine))
    assert isinstance(b.table.weight, RowParameter)
    train(a, mine, seed=1)
    train(b, other, seed=1)
    assert_same_weights(a, b, tolerance=0)


def test_two_optimizers_in_turn_and_the_first_is_told():
    (a, mine), _ = twins()
    train(a, mine)
    second = plectrum.optim.SGD(a, lr=0.1, dense_below=0)
    train(a, second)
    with pytest.raises(OptimizerError, match="one plectrum optimizer at a time"):
        train(a, mine)


def test_release_gives_a_plain_parameter_back():
    (a, mine), (b, other) = twins()
    train(a, mine)
    train(b, other)
    release(a.table.weight)
    assert type(a.table.weight) is torch.nn.Parameter
    assert_same_weights(a, b)


def test_small_tables_are_stepped_densely_and_give_the_same_numbers():
    torch.manual_seed(0)
    a = Model()
    b = copy.deepcopy(a)
    train(a, plectrum.optim.AdamW(a, lr=0.05))
    train(b, torch.optim.AdamW(b.parameters(), lr=0.05))
    assert type(a.table.weight) is torch.nn.Parameter
    assert_same_weights(a, b)


@every_optimizer
def test_frozen_rows_outside_the_batch_stand_still(name):
    (a, mine), _ = twins(name, ours={"absent_rows": "frozen"})
    before = a.table.weight.detach().clone()
    train(a, mine)
    assert not ledger_of(a.table.weight).is_behind
    torch.testing.assert_close(a.table.weight[30:].detach(), before[30:], rtol=0, atol=0)
    assert (a.table.weight[:30].detach() != before[:30]).any()


def test_frozen_adam_gives_the_numbers_of_sparse_adam():
    torch.manual_seed(0)
    a = torch.nn.Embedding(N_ROWS, DIM)
    b = torch.nn.Embedding(N_ROWS, DIM, sparse=True)
    b.load_state_dict(a.state_dict())
    mine = plectrum.optim.Adam(a, lr=0.05, absent_rows="frozen")
    other = torch.optim.SparseAdam(b.parameters(), lr=0.05)
    for layer, optimizer in ((a, mine), (b, other)):
        for ids, _ in batches():
            optimizer.zero_grad()
            layer(ids).pow(2).sum().backward()
            optimizer.step()
    assert_same_weights(a, b)


def test_rowwise_adagrad_is_its_dense_reference():
    torch.manual_seed(0)
    layer = torch.nn.Embedding(N_ROWS, DIM)
    weight, total = layer.weight.detach().clone(), torch.zeros(N_ROWS, 1)
    optimizer = plectrum.optim.RowwiseAdagrad(layer, lr=0.1, eps=1e-8)
    for ids, _ in batches():
        optimizer.zero_grad()
        layer(ids).pow(2).sum().backward()
        optimizer.step()
        counts = torch.bincount(ids.flatten(), minlength=N_ROWS).unsqueeze(1)
        gradient = 2 * weight * counts
        total += (gradient**2).mean(1, keepdim=True)
        weight -= 0.1 * gradient / (total.sqrt() + 1e-8)
    torch.testing.assert_close(layer.weight.detach(), weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "advice"),
    [
        ("Adam", {"amsgrad": True}, "AdamW"),
        ("Adam", {"weight_decay": 0.1}, "AdamW"),
        ("Adagrad", {"weight_decay": 0.1}, "AdamW"),
        ("RowwiseAdagrad", {"weight_decay": 0.1}, "AdamW"),
        ("AdamW", {"amsgrad": True}, "frozen"),
        ("AdamW", {"betas": (0.99, 0.9)}, "frozen"),
        ("AdamW", {"eps": 0.0}, "frozen"),
        ("Adam", {"betas": (0.0, 0.0)}, "frozen"),
        ("AdamW", {"betas": (0.9, 0.99999999)}, "frozen"),
    ],
)
def test_what_has_no_exact_form_is_refused_with_advice(name, options, advice):
    layer = torch.nn.Embedding(10, 4)
    with pytest.raises(OptimizerError, match=advice):
        getattr(plectrum.optim, name)(layer, **options)
    optimizer = getattr(plectrum.optim, name)(layer, absent_rows="frozen", **options)
    layer(torch.tensor([1, 1, 3])).pow(2).sum().backward()
    optimizer.step()


def test_a_hyperparameter_set_later_is_checked_at_the_step():
    layer = torch.nn.Embedding(10, 4)
    optimizer = plectrum.optim.Adam(layer, dense_below=0)
    optimizer.param_groups[0]["weight_decay"] = 0.1
    layer(torch.tensor([1])).sum().backward()
    with pytest.raises(OptimizerError, match="weight_decay"):
        optimizer.step()


def test_a_wrong_word_for_absent_rows_is_named():
    with pytest.raises(ArgumentError, match="'exact', 'frozen'"):
        plectrum.optim.AdamW(torch.nn.Embedding(3, 2), absent_rows="lazy")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_tables_of_sixteen_bits_do_not_lose_small_steps(dtype):
    torch.manual_seed(0)
    layer = torch.nn.Embedding(10, 64, dtype=dtype)
    torch.nn.init.ones_(layer.weight)
    optimizer = plectrum.optim.SGD(layer, lr=1e-4, dense_below=0)
    for _ in range(200):
        optimizer.zero_grad()
        layer(torch.arange(10)).float().sum().backward()
        optimizer.step()
    assert abs(layer.weight.detach().float().mean().item() - 0.98) < 2e-3


def test_gradient_is_uncoalesced_rows_and_nothing_of_the_size_of_the_table():
    tables = plectrum.nn.EmbeddingTables({"a": (500, 4), "b": (300, 6)})
    optimizer = plectrum.optim.AdamW(tables, dense_below=0)
    ids = torch.tensor([[3, 7], [3, 8], [4, 7]])
    slope = torch.randn(3, 10)
    tables(ids).backward(slope)
    gradient = tables["b"].grad
    assert not gradient.is_coalesced()
    torch.testing.assert_close(gradient._indices()[0], ids[:, 1])
    torch.testing.assert_close(gradient._values(), slope[:, 4:])
    tables(ids).backward(slope)
    assert tables["b"].grad._nnz() == 6
    optimizer.zero_grad()
    assert tables["b"].grad is None


@every_optimizer
@pytest.mark.parametrize("how", ["step", "accumulate", "hook", "read", "mixed"])
def test_many_tables_in_one_call_train_as_each_alone(name, how):
    def model():
        return plectrum.nn.EmbeddingTables({"a": (40, 4), "b": (N_ROWS, 6), "c": (35, 3)})

    (a, mine), (b, other) = twins(name, model)
    if how == "hook":
        for layer in (a, b):
            layer["b"].register_hook(lambda g: g * 0.5)
    for k, (ids, _) in enumerate(batches()):
        for layer, optimizer in ((a, mine), (b, other)):
            (layer(ids) ** 2).sum().backward()
            if how == "mixed":
                layer["a"].pow(2).mean().backward()
            if how == "read":
                assert layer["c"].grad is not None
            if how != "accumulate" or k % 2:
                optimizer.step()
                optimizer.zero_grad()
    assert_same_weights(a, b)


def test_autograd_grad_gives_the_gradient_and_accumulates_nothing():
    tables = plectrum.nn.EmbeddingTables({"a": (500, 4), "b": (300, 6)})
    plectrum.optim.AdamW(tables, dense_below=0)
    ids = torch.tensor([[3, 7], [3, 8]])
    (found,) = torch.autograd.grad(tables(ids).sum(), [tables["b"]])
    torch.testing.assert_close(found.to_dense()[7:9], torch.ones(2, 6))
    assert tables["b"].grad is None


def test_backward_with_inputs_reaches_only_these():
    tables = plectrum.nn.EmbeddingTables({"a": (500, 4), "b": (300, 6)})
    plectrum.optim.AdamW(tables, dense_below=0)
    tables(torch.tensor([[3, 7], [3, 8]])).sum().backward(inputs=[tables["b"]])
    assert tables["a"].grad is None
    assert tables["b"].grad._nnz() == 2


def test_the_tables_of_plectrums_layers_are_known_among_bare_parameters():
    layers = [plectrum.nn.Embedding(50, 4), plectrum.nn.EmbeddingBag(50, 4)]
    layers += [plectrum.nn.EmbeddingTables({"a": (50, 4)})]
    for layer in layers:
        plectrum.optim.AdamW(list(layer.parameters()), dense_below=0)
        assert all(isinstance(p, RowParameter) for p in layer.parameters())


def test_tables_of_finds_each_table_once():
    model = torch.nn.ModuleList(
        [torch.nn.Embedding(4, 2), torch.nn.EmbeddingBag(4, 2), torch.nn.Linear(2, 2)]
    )
    model.append(model[0])
    assert [id(t) for t in tables_of(model)] == [id(model[0].weight), id(model[1].weight)]


@every_optimizer
@pytest.mark.parametrize("shape", [(3000,), (50, 60)])
def test_large_batches_of_one_table_train_as_with_torch(name, shape):
    def model():
        return torch.nn.Sequential(torch.nn.Embedding(300, 100))

    (a, mine), (b, other) = twins(name, model)
    for k in range(4):
        ids = torch.randint(0, 300, shape, generator=torch.Generator().manual_seed(k))
        for layer, optimizer in ((a, mine), (b, other)):
            optimizer.zero_grad()
            found = layer(ids)
            assert found.shape == (*shape, 100)
            found.pow(2).mean().backward()
            optimizer.step()
    with pytest.raises(IndexError, match="got 300 at position"):
        a(torch.full(shape, 300))
    assert_same_weights(a, b)


@every_optimizer
@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_torchs_bags_with_sparse_gradients_are_found_to_be_tables(name, mode):
    torch.manual_seed(0)
    a = torch.nn.EmbeddingBag(N_ROWS, DIM, mode=mode, sparse=True)
    b = torch.nn.EmbeddingBag(N_ROWS, DIM, mode=mode, _weight=a.weight.detach().clone())
    mine = getattr(plectrum.optim, name)(a.parameters(), dense_below=0, **OPTIMIZERS[name])
    other = getattr(torch.optim, name)(b.parameters(), **OPTIMIZERS[name])
    for ids, _ in batches():
        for layer, optimizer in ((a, mine), (b, other)):
            optimizer.zero_grad()
            layer(ids).pow(2).sum().backward()
            optimizer.step()
    assert isinstance(a.weight, RowParameter)
    assert_same_weights(a, b)


def test_grad_scaler_scales_and_skips_with_a_table_of_bfloat16():
    torch.manual_seed(0)
    layer = torch.nn.Embedding(N_ROWS, 64, dtype=torch.bfloat16)
    torch.nn.init.ones_(layer.weight)
    optimizer = plectrum.optim.SGD(layer, lr=1e-3, dense_below=0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    for k in range(101):
        optimizer.zero_grad()
        loss = layer(torch.arange(10)).float().sum() * (float("inf") if k == 50 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 2.0**7
    assert abs(layer.weight[:10].detach().float().mean().item() - 0.9) < 5e-3
    assert (layer.weight[10:] == 1).all()


def test_grad_scaler_refuses_gradients_of_float16_as_torchs_do():
    layer = torch.nn.Embedding(N_ROWS, DIM, dtype=torch.float16)
    optimizer = plectrum.optim.SGD(layer, lr=1e-3, dense_below=0)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(layer(torch.arange(10)).float().sum()).backward()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.step(optimizer)


def test_a_step_that_one_table_refuses_is_no_first_step_of_another():
    a, b = torch.nn.Embedding(3000, 8), torch.nn.Embedding(3000, 8)
    before, whole = a.weight.detach().clone(), b.weight.data
    optimizer = plectrum.optim.SGD(torch.nn.ModuleList([a, b]), lr=1.0, momentum=0.9, dampening=0.5)
    ids = torch.tensor([1, 2])
    (a(ids).sum() + b(ids).sum()).backward()
    b.weight.data = whole[:2000].contiguous()
    with pytest.raises(OptimizerError, match="must keep its shape"):
        optimizer.step()
    b.weight.data = whole
    optimizer.zero_grad()
    (a(ids).sum() + b(ids).sum()).backward()
    optimizer.step()
    torch.testing.assert_close(before - a.weight.detach(), torch.zeros(3000, 8).index_fill_(0, ids, 1.0))
