"""Every layer of plectrum against the layer of torch it stands in for: a new one gets these checks by
joining `PAIRS`."""

import copy
import inspect
import io
import itertools
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import plectrum.nn

N_ROWS, DIM = 13, 5
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
INTEGERS = (torch.int32, torch.int64)
PAIRS = {
    "Embedding": (plectrum.nn.Embedding, torch.nn.Embedding),
    "EmbeddingBag": (plectrum.nn.EmbeddingBag, torch.nn.EmbeddingBag),
}
LOOKUP_OPTIONS = {
    "plain": {},
    "padding": {"padding_idx": 0},
    "padding from the end": {"padding_idx": -2},
    "max_norm": {"max_norm": 1.0},
    "max_norm and padding": {"max_norm": 0.5, "norm_type": 1.0, "padding_idx": 3},
    "infinity norm": {"max_norm": 0.3, "norm_type": float("inf")},
    "scaled by frequency": {"scale_grad_by_freq": True},
    "scaled by frequency, padded": {"scale_grad_by_freq": True, "padding_idx": 4},
    "sparse": {"sparse": True},
    "sparse, padded": {"sparse": True, "padding_idx": 1},
}
BAG_OPTIONS = {
    "sum": {"mode": "sum"},
    "mean": {"mode": "mean"},
    "max": {"mode": "max"},
    "sum, padded": {"mode": "sum", "padding_idx": 3},
    "mean, padded from the end": {"mode": "mean", "padding_idx": -1},
    "max, padded": {"mode": "max", "padding_idx": 2},
    "mean, limited": {"mode": "mean", "max_norm": 1.0},
    "sum, scaled by frequency": {"mode": "sum", "scale_grad_by_freq": True},
    "mean, sparse": {"mode": "mean", "sparse": True},
    "sum, sparse, padded": {"mode": "sum", "sparse": True, "padding_idx": 3},
    "sum, last offset": {"mode": "sum", "include_last_offset": True},
    "max, last offset, padded": {"mode": "max", "include_last_offset": True, "padding_idx": 0},
}
SHAPES = ((), (0,), (1,), (7,), (3, 4), (2, 0, 3), (2, 3, 2))


def twins(name, *args, **options):
    """The layer of plectrum and that of torch, from the same seed."""
    layers = []
    for kind in PAIRS[name]:
        torch.manual_seed(3)
        layers.append(kind(*args, **options))
    return layers


def assert_same(ours, theirs):
    """Same shape, dtype, layout and bits."""
    assert (ours.shape, ours.dtype, ours.layout) == (theirs.shape, theirs.dtype, theirs.layout)
    if ours.is_sparse:
        assert torch.equal(ours._indices(), theirs._indices())
        ours, theirs = ours._values(), theirs._values()
    assert torch.equal(ours, theirs) or bool((ours.isnan() & theirs.isnan() | (ours == theirs)).all())


def assert_close(ours, theirs):
    """Same shape, dtype and layout; numbers to rounding."""
    assert (ours.shape, ours.dtype, ours.layout) == (theirs.shape, theirs.dtype, theirs.layout)
    torch.testing.assert_close(
        ours.to_dense() if ours.is_sparse else ours, theirs.to_dense() if theirs.is_sparse else theirs
    )


@pytest.mark.parametrize("assert_equal", [assert_same, assert_close])
def test_the_comparisons_can_fail(assert_equal):
    a = torch.tensor([1.0, 2.0])
    assert_equal(a, a.clone())
    for other in (torch.tensor([1.0, 2.1]), a.double(), a[:1], a.to_sparse()):
        with pytest.raises(AssertionError):
            assert_equal(a, other)


def draw_ids(*shape, dtype=torch.int64, n_rows=N_ROWS, seed=5):
    return torch.randint(0, n_rows, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def train_once(layers, *inputs):
    """Outputs and gradients of both layers for the same inputs and the same gradient from above."""
    outputs = [layer(*inputs) for layer in layers]
    upstream = torch.randn(
        outputs[1].shape, dtype=outputs[1].dtype, generator=torch.Generator().manual_seed(7)
    )
    for output in outputs:
        output.backward(upstream)
    return outputs


@pytest.mark.parametrize("options", LOOKUP_OPTIONS.values(), ids=LOOKUP_OPTIONS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_lookups_and_their_gradients_equal_torch(options, dtype):
    for id_dtype, shape in itertools.product(INTEGERS, SHAPES):
        if shape == () and options.get("sparse") and "padding_idx" in options:
            continue  # torch's own backward cannot mask a single id
        layers = twins("Embedding", N_ROWS, DIM, dtype=dtype, **options)
        assert_same(layers[0].weight, layers[1].weight)
        outputs = train_once(layers, draw_ids(*shape, dtype=id_dtype))
        assert_same(*outputs)
        assert_same(layers[0].weight.grad, layers[1].weight.grad)
        assert_same(layers[0].weight, layers[1].weight)  # max_norm writes into the table


def bag_inputs(options, id_dtype, dtype, weighted):
    ids = draw_ids(11, dtype=id_dtype)
    last = [11] if options.get("include_last_offset") else []
    offsets = torch.tensor([0, 0, 3, 4, 4, 9, *last], dtype=id_dtype)  # two empty bags
    factors = torch.linspace(-1, 2, 11).to(dtype) if weighted else None
    yield ids, offsets, factors
    yield draw_ids(4, 3, dtype=id_dtype), None, None if factors is None else factors.repeat(2)[:12].view(4, 3)
    yield ids[:0], offsets[:1] if not last else offsets[:2], None if factors is None else factors[:0]


@pytest.mark.parametrize("options", BAG_OPTIONS.values(), ids=BAG_OPTIONS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_bags_and_their_gradients_equal_torch(options, dtype):
    for id_dtype, weighted in itertools.product(INTEGERS, (False, True)):
        if weighted and options["mode"] != "sum":
            continue
        for inputs in bag_inputs(options, id_dtype, dtype, weighted):
            layers = twins("EmbeddingBag", N_ROWS, DIM, dtype=dtype, **options)
            assert_close(*train_once(layers, *inputs))
            assert_close(layers[0].weight.grad, layers[1].weight.grad)
            assert_same(layers[0].weight, layers[1].weight)


def test_per_sample_weights_get_torch_s_gradient():
    layers = twins("EmbeddingBag", N_ROWS, DIM, mode="sum", dtype=torch.float64)
    gradients = []
    for layer in layers:
        factors = torch.linspace(-1, 2, 6, dtype=torch.float64, requires_grad=True)
        layer(draw_ids(6), torch.tensor([0, 2, 2]), factors).square().sum().backward()
        gradients.append(factors.grad)
    assert_close(*gradients)


@given(
    n_rows=st.integers(1, 40),
    dim=st.integers(0, 9),
    rows=st.lists(st.integers(0, 39), max_size=60),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    mode=st.sampled_from(["sum", "mean", "max"]),
    padded=st.booleans(),
    id_dtype=st.sampled_from(INTEGERS),
)
@settings(deadline=None, max_examples=60, derandomize=True)
def test_any_ids_give_torch_s_rows_and_bags(n_rows, dim, rows, sizes, mode, padded, id_dtype):
    ids = torch.tensor([row % n_rows for row in rows], dtype=id_dtype)
    layers = twins("Embedding", n_rows, dim, padding_idx=0 if padded else None)
    assert_same(*train_once(layers, ids))
    assert_same(layers[0].weight.grad, layers[1].weight.grad)

    starts = [min(start, len(ids)) for start in itertools.accumulate([0, *sizes])]
    layers = twins("EmbeddingBag", n_rows, max(dim, 1), mode=mode, padding_idx=0 if padded else None)
    assert_close(*train_once(layers, ids, torch.tensor(starts, dtype=id_dtype)))
    assert_close(layers[0].weight.grad, layers[1].weight.grad)


@pytest.mark.parametrize("name", PAIRS)
class TestEveryLayer:
    def test_its_class_is_a_subclass(self, name):
        ours, theirs = PAIRS[name]
        assert issubclass(ours, theirs)

    @pytest.mark.parametrize("method", ["__init__", "from_pretrained", "forward"])
    def test_torch_s_signature_comes_first(self, name, method):
        ours, theirs = (
            list(inspect.signature(getattr(kind, method)).parameters.values()) for kind in PAIRS[name]
        )
        assert [(p.name, p.default, p.kind) for p in ours[: len(theirs)]] == [
            (p.name, p.default, p.kind) for p in theirs
        ]
        assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) :])

    def test_state_dicts_are_interchangeable_strictly(self, name):
        ours, theirs = (kind(N_ROWS, DIM, padding_idx=2) for kind in PAIRS[name])
        assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
        ours.load_state_dict(theirs.state_dict(), strict=True)
        assert_same(ours.weight, theirs.weight)
        torch.nn.init.normal_(ours.weight)
        theirs.load_state_dict(ours.state_dict(), strict=True)
        assert_same(ours.weight, theirs.weight)

    def test_a_saved_state_dict_holds_tensors_only(self, name):
        stream = io.BytesIO()
        layer = PAIRS[name][0](N_ROWS, DIM)
        torch.save(layer.state_dict(), stream)
        stream.seek(0)
        assert_same(torch.load(stream, weights_only=True)["weight"], layer.weight.detach())

    @pytest.mark.parametrize(
        "duplicate", [copy.deepcopy, copy.copy, lambda layer: pickle.loads(pickle.dumps(layer))]
    )
    def test_copies_answer_as_the_original(self, name, duplicate):
        layer = PAIRS[name][0](N_ROWS, DIM, padding_idx=1, max_norm=2.0)
        twin = duplicate(layer)
        ids = draw_ids(4, 3)
        assert_same(twin(ids), layer(ids))
        assert repr(twin) == repr(layer)
        assert type(twin) is type(layer)

    @pytest.mark.parametrize("backend", ["eager", "aot_eager"])
    @pytest.mark.parametrize("options", [{}, {"padding_idx": 2}], ids=str)
    def test_it_compiles_without_graph_breaks(self, name, backend, options):
        torch.compiler.reset()
        layer, reference = twins(name, N_ROWS, DIM, **options)
        ids = draw_ids(4, 3)
        compiled = torch.compile(layer, fullgraph=True, backend=backend)
        assert_close(compiled(ids), reference(ids))
        compiled(ids).sum().backward()
        reference(ids).sum().backward()
        assert_close(layer.weight.grad, reference.weight.grad)

    def test_it_can_be_exported(self, name):
        layer = PAIRS[name][0](N_ROWS, DIM)
        ids = draw_ids(4, 3)
        assert_close(torch.export.export(layer, (ids,)).module()(ids), layer(ids))

    def test_gradcheck_and_gradgradcheck_pass(self, name):
        layer = PAIRS[name][0](6, 3, dtype=torch.float64)
        if name == "EmbeddingBag":
            layer.mode = "sum"
        ids = draw_ids(3, 2, n_rows=6)

        def output(weight):
            return torch.func.functional_call(layer, {"weight": weight}, (ids,))

        weight = layer.weight.detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(output, (weight,))
        if name == "Embedding":  # torch's pooling has no second derivative either
            assert torch.autograd.gradgradcheck(output, (weight,))

    def test_meta_device_gives_shapes(self, name):
        ours, theirs = (kind(N_ROWS, DIM, device="meta", dtype=torch.bfloat16) for kind in PAIRS[name])
        ids = torch.zeros(4, 3, dtype=torch.int64, device="meta")
        assert (ours(ids).shape, ours(ids).dtype) == (theirs(ids).shape, theirs(ids).dtype)
        assert ours.to_empty(device="cpu").weight.device.type == "cpu"

    def test_inference_and_no_grad_give_torch_s_numbers(self, name):
        layers = twins(name, N_ROWS, DIM)
        ids = draw_ids(4, 3)
        for context in (torch.no_grad, torch.inference_mode):
            with context():
                assert_close(*(layer(ids) for layer in layers))

    def test_non_contiguous_ids_and_tables_give_torch_s_numbers(self, name):
        wide = torch.randn(N_ROWS, 2 * DIM)
        layers = [kind.from_pretrained(wide[:, ::2], freeze=False) for kind in PAIRS[name]]
        ids = draw_ids(6, 8)[::2, 1::3]
        assert_close(*train_once(layers, ids))
        assert_close(layers[0].weight.grad, layers[1].weight.grad)

    def test_from_pretrained_shares_the_tensor_and_freezes_it(self, name):
        rows = torch.randn(N_ROWS, DIM)
        ours, theirs = (kind.from_pretrained(rows, padding_idx=2) for kind in PAIRS[name])
        assert ours.weight.data_ptr() == theirs.weight.data_ptr() == rows.data_ptr()
        assert not ours.weight.requires_grad
        assert PAIRS[name][0].from_pretrained(rows, freeze=False).weight.requires_grad
        assert ours.padding_idx == theirs.padding_idx
        for bad in (rows[0], rows[None]):
            for kind in PAIRS[name]:
                with pytest.raises(AssertionError, match="2-dimensional"):
                    kind.from_pretrained(bad)

    def test_wrong_arguments_are_refused_as_torch_refuses_them(self, name):
        for kind in PAIRS[name]:
            with pytest.raises(AssertionError, match=r"(?i)padding_idx must be within num_embeddings"):
                kind(N_ROWS, DIM, padding_idx=N_ROWS)
            with pytest.raises(AssertionError, match="Shape of weight"):
                kind(N_ROWS, DIM, _weight=torch.zeros(2, 2))
        ours, theirs = (kind(N_ROWS, DIM) for kind in PAIRS[name])
        for ids in (
            torch.zeros(2, 2),
            torch.zeros(2, 2, dtype=torch.int16),
            torch.zeros(2, 2, dtype=torch.bool),
        ):
            with pytest.raises(RuntimeError) as expected:
                theirs(ids)
            with pytest.raises(RuntimeError) as caught:
                ours(ids)
            assert str(caught.value) == str(expected.value)

    def test_it_can_be_scripted_as_torch_s_can(self, name):
        layers = twins(name, N_ROWS, DIM, padding_idx=1)
        ids = draw_ids(4, 3)
        with pytest.warns(DeprecationWarning, match="torch.jit.script"):
            scripted = torch.jit.script(layers[0])
        assert_close(scripted(ids), layers[1](ids))

    @pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")  # torch's pooling, batched
    def test_vmap_and_jacobians_pass_through(self, name):
        layers = twins(
            name, N_ROWS, DIM, dtype=torch.float64, **({"mode": "sum"} if name == "EmbeddingBag" else {})
        )
        ids = draw_ids(4, 3)
        jacobians = [
            torch.func.jacrev(
                lambda w, layer=layer: torch.func.functional_call(layer, {"weight": w}, (ids,))
            )(layer.weight.detach())
            for layer in layers
        ]
        assert_close(*jacobians)

    def test_moving_dtype_keeps_torch_s_numbers(self, name):
        layers = [layer.half().double() for layer in twins(name, N_ROWS, DIM)]
        assert_close(*(layer(draw_ids(4, 3)) for layer in layers))

    def test_autocast_changes_what_torch_changes(self, name):
        layers = twins(name, N_ROWS, DIM)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert_close(*(layer(draw_ids(4, 3)) for layer in layers))

    def test_an_assigned_weight_is_used(self, name):
        layers = twins(name, N_ROWS, DIM)
        rows = torch.randn(N_ROWS + 2, DIM)
        for layer in layers:
            layer.weight = torch.nn.Parameter(rows.clone())
        assert_close(*train_once(layers, torch.tensor([[N_ROWS + 1, 0]])))
        for layer in layers:
            layer.weight.data = rows[:3] * 2
        ids = torch.tensor([[0, 2]])
        assert_close(*(layer(ids) for layer in layers))
