import copy
import pickle

import pytest
import torch

import plectrum.nn
from plectrum import Vectors, Vocabulary
from plectrum.errors import (
    ArgumentError,
    ArgumentTypeError,
    OptimizerError,
    RowOutOfRangeError,
    UnknownKeyError,
)

KINDS = [plectrum.nn.Embedding, plectrum.nn.EmbeddingBag]
OPTIMIZERS = {
    "SGD with momentum and decay": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "Nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam with decay": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1),
    "AdamW, amsgrad": lambda p: torch.optim.AdamW(p, lr=0.1, amsgrad=True),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.3),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5),
    "Adafactor": lambda p: torch.optim.Adafactor(p, lr=0.1),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1),
}
SPARSE = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SparseAdam": lambda p: torch.optim.SparseAdam(p, lr=0.1),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
}
CITIES = ["Berlin", "Paris", "Rome", "Oslo"]


def a_layer(kind=plectrum.nn.Embedding, **options):
    torch.manual_seed(2)
    return kind(9, 4, **options)


def train(layer, optimizer, n_steps=3, n_rows=9):
    for step in range(n_steps):
        ids = torch.randint(0, n_rows, (12, 2), generator=torch.Generator().manual_seed(step))

        def closure(ids=ids):
            optimizer.zero_grad()
            loss = layer(ids).square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_frozen_rows_stay_under_every_optimizer(kind, make):
    layer = a_layer(kind)
    optimizer = make(layer.parameters())
    train(layer, optimizer)  # so that there is momentum
    layer.freeze([2, 5])
    before = layer.weight.detach().clone()
    train(layer, optimizer)
    moved = (layer.weight.detach() != before).any(dim=1).nonzero().flatten().tolist()
    assert moved == [0, 1, 3, 4, 6, 7, 8]


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # torch's Adagrad warns of itself
@pytest.mark.parametrize("make", SPARSE.values(), ids=SPARSE)
def test_frozen_rows_stay_when_gradients_are_sparse(make):
    layer = a_layer(sparse=True)
    optimizer = make(list(layer.parameters()))
    train(layer, optimizer)
    layer.freeze(torch.tensor([2, 5]))
    before = layer.weight.detach().clone()
    train(layer, optimizer)
    assert not set(layer.weight.grad._indices()[0].tolist()) & {2, 5}
    moved = (layer.weight.detach() != before).any(dim=1).nonzero().flatten().tolist()
    assert moved == [0, 1, 3, 4, 6, 7, 8]


def test_the_other_rows_train_as_if_nothing_were_frozen():
    layers = a_layer(), a_layer()
    layers[0].freeze([2, 5])
    for layer in layers:
        train(layer, torch.optim.AdamW(layer.parameters(), lr=0.1))
    others = [0, 1, 3, 4, 6, 7, 8]
    assert torch.equal(layers[0].weight[others], layers[1].weight[others])


def test_frozen_rows_stay_out_of_the_norm_of_the_gradient():
    layers = a_layer(), a_layer()
    layers[0].freeze([1])
    for layer in layers:
        (layer(torch.tensor([0, 1])) * 3).sum().backward()
    norms = [float(torch.nn.utils.clip_grad_norm_(layer.parameters(), 1e9)) for layer in layers]
    assert norms == pytest.approx([6, 6 * 2**0.5])


def test_train_only_freezes_all_others():
    layer = a_layer().train_only([3])
    assert layer.frozen_rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    before = layer.weight.detach().clone()
    train(layer, torch.optim.AdamW(layer.parameters(), lr=0.1))
    assert (layer.weight.detach() != before).any(dim=1).nonzero().flatten().tolist() == [3]


def test_unfrozen_rows_train_again():
    layer = a_layer().freeze()
    assert len(layer.frozen_rows) == 9
    layer.unfreeze([4])
    assert 4 not in layer.frozen_rows.tolist()
    before = layer.weight.detach().clone()
    train(layer, torch.optim.SGD(layer.parameters(), lr=0.1))
    assert (layer.weight.detach() != before).any(dim=1).nonzero().flatten().tolist() == [4]
    assert layer.unfreeze().frozen_rows.tolist() == []


def test_freezing_adds_up():
    layer = a_layer().freeze([1]).freeze([3])
    assert layer.frozen_rows.tolist() == [1, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_frozen_by_name(kind):
    layer = kind.from_keys(CITIES, 4).freeze(["Paris", "Oslo"])
    assert layer.vocabulary.decode(layer.frozen_rows.tolist()) == ["Paris", "Oslo"]
    assert kind.from_keys(CITIES, 4).freeze("Paris").frozen_rows.tolist() == [4]
    assert kind.from_keys([10, 20], 4).freeze([20]).frozen_rows.tolist() == [4]  # integers are keys here
    assert kind.from_keys([10, 20], 4).freeze(torch.tensor([1])).frozen_rows.tolist() == [
        1
    ]  # tensors are rows


def test_only_new_words_train_on_top_of_known_vectors():
    vectors = Vectors(["a", "b"], [[1.0, 2.0], [3.0, 4.0]])
    words = Vocabulary.from_keys(["a", "new", "b"])
    layer = plectrum.nn.Embedding.from_pretrained(vectors, vocabulary=words)
    assert len(layer.frozen_rows) == 6
    layer.train_only(layer.coverage.not_found)
    before = layer.weight.detach().clone()
    train(layer, torch.optim.AdamW(layer.parameters(), lr=0.1), n_rows=6)
    assert (layer.weight.detach() != before).any(dim=1).nonzero().flatten().tolist() == [4]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_keep_their_rows_frozen_apart_from_the_original(duplicate):
    layer = a_layer().freeze([2, 5])
    twin = duplicate(layer)
    layer.unfreeze()
    assert twin.frozen_rows.tolist() == [2, 5]
    before = twin.weight.detach().clone()
    train(twin, torch.optim.AdamW(twin.parameters(), lr=0.1))
    assert torch.equal(twin.weight[[2, 5]], before[[2, 5]])
    assert not torch.equal(twin.weight[[1]], before[[1]])


def test_an_assigned_weight_is_frozen_too():
    layer = a_layer().freeze([2, 5])
    layer.load_state_dict({"weight": torch.randn(9, 4)}, assign=True)
    before = layer.weight.detach().clone()
    train(layer, torch.optim.AdamW(layer.parameters(), lr=0.1))
    assert torch.equal(layer.weight[[2, 5]], before[[2, 5]])


def test_tied_layers_share_what_is_frozen():
    first, second = a_layer(), a_layer()
    second.weight = first.weight
    first.freeze([1])
    second.freeze([2])
    assert first.frozen_rows.tolist() == second.frozen_rows.tolist() == [1, 2]


def test_another_optimizer_s_parameters_are_left_alone():
    layer = a_layer().freeze([1])
    other = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    with torch.no_grad():
        layer.weight[1] += 1
    other(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not optimizer.__dict__.get("_plectrum_kept")


def test_frozen_layers_compile():
    torch.compiler.reset()
    layer = a_layer().freeze([1])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    compiled(torch.tensor([0, 1])).sum().backward()
    assert layer.weight.grad[:2, 0].tolist() == [1, 0]


def test_wrong_rows_and_keys_are_refused_and_nothing_is_frozen():
    layer = a_layer()
    with pytest.raises(
        RowOutOfRangeError, match=r"`rows_or_keys` of `Embedding.freeze` must lie in \[0, 9\); got 9"
    ):
        layer.freeze([1, 9])
    for wrong in (torch.tensor([0.5]), ["Berlin"], object()):
        with pytest.raises(ArgumentTypeError, match="Make the layer with `from_keys`"):
            layer.freeze(wrong)
    with pytest.raises(ArgumentTypeError, match="bool tensor of 9 values"):
        layer.freeze(torch.tensor([True]))
    with pytest.raises(UnknownKeyError, match="Pariss"):
        plectrum.nn.Embedding.from_keys(CITIES, 4).freeze(["Pariss"])
    assert layer.frozen_rows.tolist() == []
    assert layer.freeze([]).frozen_rows.tolist() == []


class TestTablesUnderControl:
    def test_rows_of_a_table_are_frozen_by_its_name(self):
        tables = plectrum.nn.EmbeddingTables({"a.b": (6, 3), "": (4, 2)}).freeze("a.b", [1, 2]).freeze("")
        tables.unfreeze("", [0])
        twin = copy.deepcopy(tables)
        for layer in (tables, twin):
            before = {name: layer[name].detach().clone() for name in layer}
            optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.1)
            layer(torch.tensor([[0, 0], [1, 1], [2, 3]])).square().sum().backward()
            optimizer.step()
            moved = {n: (layer[n] != before[n]).any(dim=1).nonzero().flatten().tolist() for n in layer}
            assert moved == {"a.b": [0, 3, 4, 5], "": [0]}

    def test_a_table_grows_by_its_name(self):
        tables = plectrum.nn.EmbeddingTables({"a.b": (6, 3), "": (4, 2)})
        table, before = tables["a.b"], tables["a.b"].detach().clone()
        tables.grow("a.b", 2)
        assert tables["a.b"] is table
        assert torch.equal(table[:6], before)
        assert tables.sizes == {"a.b": (8, 3), "": (4, 2)}
        assert tables(torch.tensor([[7, 3]])).shape == (1, 5)

    def test_wrong_rows_are_refused(self):
        tables = plectrum.nn.EmbeddingTables({"a.b": (6, 3)})
        with pytest.raises(RowOutOfRangeError, match=r"EmbeddingTables\.freeze\('a\.b'\)"):
            tables.freeze("a.b", [6])
        with pytest.raises(UnknownKeyError):
            tables.grow("a", 1)


class TestGrowth:
    @pytest.mark.parametrize("kind", KINDS)
    def test_old_rows_and_the_parameter_stay(self, kind):
        layer = a_layer(kind)
        weight, before = layer.weight, layer.weight.detach().clone()
        layer.grow(3)
        assert layer.weight is weight
        assert layer.num_embeddings == 12
        assert torch.equal(layer.weight[:9], before)
        assert layer(torch.tensor([[11, 0]])).isfinite().all()

    @pytest.mark.parametrize(
        "name", [n for n in OPTIMIZERS if n not in {"LBFGS", "Adafactor"}]
    )  # not by rows
    def test_optimizer_state_of_old_rows_is_kept_and_new_rows_train_as_in_a_new_table(self, name):
        grown, whole = a_layer(), a_layer()
        rows = torch.randn(3, 4)
        whole.grow(3, start=rows)  # the reference has the rows from the first step on
        optimizers = [OPTIMIZERS[name](layer.parameters()) for layer in (grown, whole)]
        for layer, optimizer in zip((grown, whole), optimizers, strict=True):
            train(layer, optimizer)
        state = {k: v.clone() for k, v in optimizers[0].state[grown.weight].items() if v.dim() == 2}
        with torch.no_grad():
            whole.weight[9:] = rows  # weight decay had moved them
        grown.grow(3, start=rows)
        optimizers[0].zero_grad()
        optimizers[0].step()  # nothing to do: the state grows before the step
        for key, old in state.items():
            assert torch.equal(optimizers[0].state[grown.weight][key][:9], old)
        for layer, optimizer in zip((grown, whole), optimizers, strict=True):
            train(layer, optimizer, n_rows=12)
        assert torch.allclose(grown.weight[:9], whole.weight[:9])
        if "decay" not in name and name != "AdamW":
            assert torch.allclose(grown.weight, whole.weight)

    def test_the_state_of_other_parameters_is_left_alone(self):
        layer, other = a_layer(), torch.nn.Linear(5, 7)
        optimizer = torch.optim.Adafactor([*layer.parameters(), *other.parameters()])
        for _ in range(2):
            (layer(torch.tensor([1, 2])).sum() + other(torch.ones(1, 5)).sum()).backward()
            optimizer.step()
            layer.grow(2)
        shapes = {name: tuple(state.shape) for name, state in optimizer.state[other.weight].items()}
        assert (shapes["row_var"], shapes["col_var"]) == ((7, 1), (1, 5))

    def test_a_gradient_in_waiting_grows_with_the_table(self):
        for sparse in (False, True):
            layer = a_layer(sparse=sparse)
            layer(torch.tensor([1])).sum().backward()
            layer.grow(2)
            layer(torch.tensor([10])).sum().backward()
            grad = layer.weight.grad.to_dense()
            assert grad[:, 0].nonzero().flatten().tolist() == [1, 10]

    def test_new_rows_start_as_asked(self):
        torch.manual_seed(0)
        layer = plectrum.nn.Embedding(4000, 8)
        with torch.no_grad():
            layer.weight.mul_(3).add_(0.0)
        assert layer.grow(4000).weight[4000:].std().item() == pytest.approx(3, rel=0.05)
        assert torch.allclose(
            layer.grow(1, start="mean").weight[-1], layer.weight[:-1].mean(dim=0), atol=1e-4
        )
        assert not layer.grow(1, start="zeros").weight[-1].any()
        assert torch.equal(layer.grow(1, start=torch.ones(1, 8)).weight[-1], torch.ones(8))
        with pytest.raises(ArgumentError, match="shape of the new rows"):
            layer.grow(2, start=torch.ones(1, 8))
        with pytest.raises(ArgumentError, match="'normal', 'mean', 'zeros'"):
            layer.grow(2, start="noise")
        with pytest.raises(ArgumentError, match="at least 0"):
            layer.grow(-1)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_any_float_dtype_grows(self, dtype):
        layer = plectrum.nn.Embedding(5, 3, dtype=dtype)
        for start in ("normal", "mean", "zeros"):
            assert layer.grow(2, start=start).weight.dtype == dtype
        assert layer.weight.isfinite().all()

    def test_an_empty_table_grows(self):
        assert plectrum.nn.Embedding(0, 3).grow(2).weight.isfinite().all()

    def test_frozen_rows_stay_frozen_and_new_ones_train(self):
        layer = a_layer().train_only([0])
        layer.grow(2)
        assert layer.frozen_rows.tolist() == list(range(1, 9))
        before = layer.weight.detach().clone()
        train(layer, torch.optim.AdamW(layer.parameters(), lr=0.1), n_rows=11)
        assert (layer.weight.detach() != before).any(dim=1).nonzero().flatten().tolist() == [0, 9, 10]

    def test_new_keys_get_rows_and_old_keys_keep_theirs(self):
        layer = plectrum.nn.Embedding.from_keys(CITIES, 4)
        rome = layer["Rome"]
        assert layer.add_keys(["Lima", "Rome", "Kiel", "Lima"]) == ["Lima", "Kiel"]
        assert torch.equal(layer["Rome"], rome)
        assert layer.weight.shape == (9, 4)
        assert layer(layer.encode(["Kiel"])).shape == (1, 4)
        assert layer.add_keys(["Rome"]) == []
        assert layer.vectors.keys == [*CITIES, "Lima", "Kiel"]

    def test_a_table_held_elsewhere_at_its_old_size_is_not_grown(self):
        layer = a_layer()
        holder = layer.weight.expand_as(layer.weight).grad_fn.next_functions[0][0]
        before = layer.weight.detach().clone()
        with pytest.raises(OptimizerError, match="DistributedDataParallel"):
            layer.grow(2)
        assert torch.equal(layer.weight, before)
        assert layer.num_embeddings == 9
        del holder
        assert layer.grow(2).num_embeddings == 11


def test_a_key_to_freeze_that_the_layer_has_not_gets_its_neighbours_and_the_way_out():
    layer = plectrum.nn.Embedding.from_keys(["Berlin", "Paris"], embedding_dim=4)
    with pytest.raises(
        UnknownKeyError, match=r"`Embedding.freeze` has no key 'Perlin' .* 'Berlin'.*add_keys"
    ):
        layer.freeze(["Paris", "Perlin"])
    assert len(layer.frozen_rows) == 0
