"""Every layer under every optimizer of plectrum, against torch's dense one, through what real loops do.

A scenario is a function of a model and an optimizer. It runs twice, once with torch's optimizer and once with
plectrum's; both must end with the same weights.
"""

import copy
import io

import pytest
import torch
import torch.utils.checkpoint

import plectrum.nn
import plectrum.optim

N_ROWS, DIM = 40, 6
OPTIMIZERS = {
    "SGD": (torch.optim.SGD, plectrum.optim.SGD, {"lr": 0.05}),
    "SGD, momentum and decay": (
        torch.optim.SGD,
        plectrum.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
    ),
    "Adagrad": (torch.optim.Adagrad, plectrum.optim.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.1}),
    "Adam": (torch.optim.Adam, plectrum.optim.Adam, {"lr": 0.02}),
    "AdamW": (torch.optim.AdamW, plectrum.optim.AdamW, {"lr": 0.02, "weight_decay": 0.1}),
}


class WithEmbedding(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.rows = plectrum.nn.Embedding(N_ROWS, DIM, dtype=torch.float64, **options)
        self.head = torch.nn.Linear(DIM, 1, dtype=torch.float64)

    def forward(self, ids):
        return self.head(self.rows(ids).tanh()).squeeze(-1)


class WithBag(WithEmbedding):
    def __init__(self, **options):
        super().__init__()
        self.rows = plectrum.nn.EmbeddingBag(N_ROWS, DIM, mode="sum", dtype=torch.float64, **options)


class WithTables(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = plectrum.nn.EmbeddingTables({"a.b": (N_ROWS, 4), "": (N_ROWS, 2)}, dtype=torch.float64)
        self.head = torch.nn.Linear(DIM, 1, dtype=torch.float64)

    def forward(self, ids):
        return self.head(self.rows(ids).tanh()).squeeze(-1)


class Tied(torch.nn.Module):
    """The table is looked up, and is the weight of the last layer too."""

    def __init__(self):
        super().__init__()
        self.rows = plectrum.nn.Embedding(N_ROWS, DIM, dtype=torch.float64)
        self.head = torch.nn.Linear(DIM, N_ROWS, bias=False, dtype=torch.float64)
        self.head.weight = self.rows.weight

    def forward(self, ids):
        return self.head(self.rows(ids).tanh())


MODELS = {
    "Embedding": WithEmbedding,
    "Embedding, padded": lambda: WithEmbedding(padding_idx=3),
    "Embedding, scaled by frequency": lambda: WithEmbedding(scale_grad_by_freq=True),
    "EmbeddingBag": WithBag,
    "EmbeddingBag, padded": lambda: WithBag(padding_idx=3),
    "EmbeddingTables": WithTables,
    "tied": Tied,
}


def batch(step, n_rows=N_ROWS):
    generator = torch.Generator().manual_seed(step)
    scores = torch.rand(8, 2, generator=generator)
    return (scores**3 * n_rows).long()  # few rows often, many seldom


def backward(model, step, n_rows=N_ROWS):
    loss = (model(batch(step, n_rows)) - 1).square().mean()
    loss.backward()
    return loss


def plainly(model, optimizer):
    for step in range(25):
        optimizer.zero_grad()
        backward(model, step)
        optimizer.step()


def accumulating(model, optimizer):
    for step in range(12):
        optimizer.zero_grad(set_to_none=step % 2 == 0)
        for part in range(3):
            backward(model, 3 * step + part)
        optimizer.step()


def with_a_schedule_through_zero(model, optimizer):
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
    for step in range(20):
        optimizer.zero_grad()
        backward(model, step)
        optimizer.step()
        scheduler.step()


def clipping_the_norm(model, optimizer):
    for step in range(12):
        optimizer.zero_grad()
        backward(model, step)
        if hasattr(optimizer, "clip_grad_norm_"):
            optimizer.clip_grad_norm_(0.5)
        else:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()


def with_a_closure(model, optimizer):
    for step in range(12):

        def closure(step=step):
            optimizer.zero_grad()
            return backward(model, step)

        optimizer.step(closure)


def scaling_gradients(model, optimizer):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)
    for step in range(12):
        optimizer.zero_grad()
        loss = (model(batch(step)) - 1).square().mean()
        if step == 5:
            loss = loss * float("inf")  # this step is skipped
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()


def reading_in_between(model, optimizer):
    for step in range(12):
        optimizer.zero_grad()
        backward(model, step)
        optimizer.step()
        model.rows.state_dict()
        for table in model.rows.parameters():
            float(table.detach().sum())


def saved_and_loaded(model, optimizer):
    for step in range(20):
        if step == 9:
            stream = io.BytesIO()
            torch.save([model.state_dict(), optimizer.state_dict()], stream)
            stream.seek(0)
            weights, state = torch.load(stream, weights_only=True)
            for parameter in model.parameters():
                torch.nn.init.zeros_(parameter)
            model.load_state_dict(weights)
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        backward(model, step)
        optimizer.step()


def frozen_for_a_while(model, optimizer):
    freeze, unfreeze = model.rows.freeze, model.rows.unfreeze
    if isinstance(model, WithTables):
        freeze, unfreeze = (lambda rows, f=f: f("a.b", rows) for f in (freeze, unfreeze))
    for step in range(30):
        if step == 8:
            freeze([0, 2, 30])
            before = model.state_dict()
            before = {name: before[name].clone() for name in before}
        if step == 20:
            first = next(name for name in before if name.startswith("rows"))
            assert torch.equal(model.state_dict()[first][[0, 2, 30]], before[first][[0, 2, 30]])
            unfreeze([0, 30])
        optimizer.zero_grad()
        backward(model, step)
        optimizer.step()


def growing(model, optimizer):
    for step in range(20):
        if step == 8:
            if isinstance(model, WithTables):
                for name in model.rows:
                    model.rows.grow(name, 5, start="zeros")
            else:
                model.rows.grow(5, start="zeros")
        optimizer.zero_grad()
        backward(model, step, N_ROWS if step < 8 else N_ROWS + 5)
        optimizer.step()


SCENARIOS = [
    *(plainly, accumulating, with_a_schedule_through_zero, clipping_the_norm, with_a_closure),
    *(scaling_gradients, reading_in_between, saved_and_loaded, frozen_for_a_while, growing),
]


def run(make_model, optimizer_class, options, scenario):
    torch.manual_seed(11)
    model = make_model()
    of_torch = optimizer_class.__module__.startswith("torch")
    optimizer = (
        optimizer_class(model.parameters(), **options) if of_torch else optimizer_class(model, **options)
    )
    scenario(model, optimizer)
    return model, optimizer


def assert_same_weights(ours, theirs):
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        torch.testing.assert_close(ours[name], expected, rtol=1e-9, atol=1e-9)


VARIANTS = {"Embedding, padded", "Embedding, scaled by frequency", "EmbeddingBag, padded"}
CASES = [
    pytest.param(make_model, scenario, id=f"{name}, {scenario.__name__}")
    for name, make_model in MODELS.items()
    for scenario in SCENARIOS
    if name not in VARIANTS or scenario in {plainly, accumulating, frozen_for_a_while}
]


@pytest.mark.parametrize(("make_model", "scenario"), CASES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_layers_end_where_torch_s_dense_optimizer_ends(name, make_model, scenario):
    theirs, ours, options = OPTIMIZERS[name]
    reference, _ = run(make_model, theirs, options, scenario)
    model, _ = run(make_model, ours, {**options, "dense_below": 0}, scenario)
    assert_same_weights(model, reference)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_copy_of_an_adopted_layer_has_the_numbers_of_now_and_is_free(name):
    theirs, ours, options = OPTIMIZERS[name]
    model, _ = run(WithEmbedding, ours, {**options, "dense_below": 0}, plainly)
    reference, _ = run(WithEmbedding, theirs, options, plainly)
    twin = copy.deepcopy(model)
    assert_same_weights(twin, reference)
    twin.rows(torch.tensor([1])).sum().backward()
    assert not twin.rows.weight.grad.is_sparse  # as torch's: no optimizer of plectrum's holds it


def test_an_average_of_weights_sees_every_row():
    results = []
    for optimizer_class, extra in ((torch.optim.AdamW, {}), (plectrum.optim.AdamW, {"dense_below": 0})):
        torch.manual_seed(11)
        model = WithEmbedding()
        average = torch.optim.swa_utils.AveragedModel(model)
        params = model.parameters() if optimizer_class is torch.optim.AdamW else model
        optimizer = optimizer_class(params, lr=0.02, **extra)
        for step in range(15):
            optimizer.zero_grad()
            backward(model, step)
            optimizer.step()
            average.update_parameters(model)
        results.append(average.module)
    assert_same_weights(results[1], results[0])


# what torch.compile itself asks of a tensor between two graphs
ASKS_FOR_THE_GRADIENT = "ignore:The .grad attribute of a Tensor"


@pytest.mark.filterwarnings(ASKS_FOR_THE_GRADIENT)
@pytest.mark.parametrize("absent_rows", ["exact", "frozen"])
@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag", "EmbeddingTables"])
def test_compiled_models_train_to_the_same_numbers_and_compile_once(name, absent_rows):
    results = []
    for compiled in (False, True):
        torch.compiler.reset()
        torch.manual_seed(11)
        model = MODELS[name]()
        optimizer = plectrum.optim.AdamW(model, lr=0.02, dense_below=0, absent_rows=absent_rows)
        results.append(model)
        with torch._dynamo.config.patch(error_on_recompile=True):
            plainly(torch.compile(model, backend="aot_eager") if compiled else model, optimizer)
    assert_same_weights(results[1], results[0])


def leave_alone(model, optimizer):
    pass


def assign_gradient(model, optimizer):
    for p in model.parameters():
        p.grad = p.grad


def scale_gradient(model, optimizer):
    for p in model.parameters():
        p.grad = p.grad * 0.5


def catch_up(model, optimizer):
    if isinstance(optimizer, plectrum.optim.AdamW):
        optimizer.catch_up()


def read_a_weight(model, optimizer):
    for p in model.parameters():
        p.sum()


def clip(model, optimizer):
    ours = getattr(optimizer, "clip_grad_norm_", None)
    ours(0.1) if ours else torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)


def break_the_graph(model, optimizer):
    torch._dynamo.graph_break()


MEANWHILE = [leave_alone, assign_gradient, scale_gradient, catch_up, read_a_weight, clip, break_the_graph]


@pytest.mark.filterwarnings(ASKS_FOR_THE_GRADIENT)
@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag", "EmbeddingTables"])
def test_a_compiled_step_trains_to_the_same_numbers(name, optimizer, meanwhile):
    """Weights are read at the end only: what reads them brings all rows up to date."""
    results = []
    for compiled in (False, True):
        torch.compiler.reset()
        torch.manual_seed(11)
        model = MODELS[name]()
        theirs, mine, options = OPTIMIZERS[optimizer]
        rule = mine(model, **options, dense_below=0) if compiled else theirs(model.parameters(), **options)
        called = []
        rule.register_step_post_hook(lambda *_, called=called: called.append(1))

        def step(k, model=model, rule=rule):
            backward(model, k)
            meanwhile(model, rule)
            rule.step()
            rule.zero_grad()

        train = torch.compile(step, backend="aot_eager") if compiled else step
        for k in range(12):
            train(k)
        assert len(called) == 12
        results.append(model)
    assert_same_weights(results[1], results[0])


@pytest.mark.filterwarnings(ASKS_FOR_THE_GRADIENT)
@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag", "EmbeddingTables"])
def test_a_compiled_step_may_look_up_again_what_it_has_forgotten(name):
    results = []
    for compiled in (False, True):
        torch.compiler.reset()
        torch.manual_seed(11)
        model = MODELS[name]()
        optimizer = plectrum.optim.AdamW(model, lr=0.02, dense_below=0)

        def loss_of(ids, model=model):
            return (model(ids) - 1).square().mean()

        def again(ids, loss_of=loss_of):
            torch.utils.checkpoint.checkpoint(loss_of, ids, use_reentrant=False).backward()

        train = torch.compile(again, backend="aot_eager") if compiled else again
        for k in range(8):
            train(batch(k))
            optimizer.step()
            optimizer.zero_grad()
        results.append(model)
    assert_same_weights(results[1], results[0])


def test_a_whole_graph_is_refused_where_rows_can_be_behind_and_made_of_a_copy():
    torch.compiler.reset()
    model = MODELS["Embedding"]()
    optimizer = plectrum.optim.AdamW(model, lr=0.02, dense_below=0)
    plainly(model, optimizer)
    with torch.no_grad():
        with pytest.raises(torch._dynamo.exc.Unsupported):
            torch.compile(model, backend="aot_eager", fullgraph=True)(batch(0))
        compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
        assert torch.equal(compiled(batch(0)), model(batch(0)))
