import copy
import pickle

import pytest
import torch

import plectrum.nn
from plectrum.errors import ArgumentError, ArgumentTypeError, RowOutOfRangeError, UnknownKeyError
from plectrum.nn import EmbeddingTables

NAMES = (
    "store",
    "a.b",
    "",
    "weight",
    "training",
    "forward",
    "%",
    "%2E",
    "a%2Eb",
    "naïve 日本",
    "names",
    "table_",
)


def ids_for(tables, *shape, dtype=torch.int64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(0, n, shape, generator=generator) for n, _ in tables.sizes.values()]
    return torch.stack(columns, dim=-1).to(dtype)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("shape", [(7,), (2, 3), (0,), ()])
def test_rows_of_each_table_lie_side_by_side(dtype, shape):
    tables = EmbeddingTables({"store": (11, 4), "state": (5, 3), "one": (1, 1)})
    ids = ids_for(tables, *shape, dtype=dtype)
    expected = [tables[name].detach()[ids[..., t].long()] for t, name in enumerate(tables.names)]
    assert torch.equal(tables(ids), torch.cat(expected, dim=-1))
    assert tables(ids).shape == (*shape, tables.embedding_dim)


def test_any_string_is_a_table_name():
    tables = EmbeddingTables({name: (t + 1, 2) for t, name in enumerate(NAMES)})
    assert tables.names == NAMES
    assert list(tables) == list(NAMES)
    for t, name in enumerate(NAMES):
        assert tables[name].shape == (t + 1, 2)
        assert name in tables
    assert len(dict(tables.named_parameters())) == len(NAMES)
    assert all(isinstance(tables[name], torch.nn.Parameter) for name in NAMES)
    assert tables(torch.zeros(3, len(NAMES), dtype=torch.int64)).shape == (3, 2 * len(NAMES))


def test_every_parameter_can_be_reached_by_its_name():
    model = torch.nn.Sequential(EmbeddingTables(dict.fromkeys(NAMES, (3, 2))))
    for name, parameter in model.named_parameters():
        assert model.get_parameter(name) is parameter


def test_state_dict_round_trip_is_strict():
    first, second = (EmbeddingTables(dict.fromkeys(NAMES, (3, 2))) for _ in range(2))
    second.load_state_dict(first.state_dict(), strict=True)
    assert all(torch.equal(first[name], second[name]) for name in NAMES)
    assert "table_a%2Eb" in first.state_dict()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda tables: pickle.loads(pickle.dumps(tables))])
def test_copies_hold_the_same_tables(duplicate):
    tables = EmbeddingTables({"a.b": (4, 3), "": (2, 2)})
    twin = duplicate(tables)
    assert torch.equal(twin["a.b"], tables["a.b"])
    assert twin["a.b"] is not tables["a.b"]
    assert twin.names == tables.names


def test_rows_start_at_a_length_of_about_one_whatever_the_dim():
    torch.manual_seed(0)
    tables = EmbeddingTables({"narrow": (20_000, 4), "wide": (20_000, 100)})
    for name in tables:
        assert tables[name].square().sum(dim=1).mean().item() == pytest.approx(1, abs=0.05)
    assert EmbeddingTables({"x": (20_000, 4)}, init_std=3.0)["x"].std().item() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("sparse", [False, True])
def test_gradients_are_those_of_separate_lookups(sparse):
    tables = EmbeddingTables({"store": (11, 4), "state": (5, 3)}, sparse=sparse, dtype=torch.float64)
    ids = ids_for(tables, 20)
    layers = [torch.nn.Embedding.from_pretrained(tables[n].detach().clone(), freeze=False) for n in tables]
    factor = torch.randn(20, 7, dtype=torch.float64)
    (tables(ids) * factor).sum().backward()
    (torch.cat([layer(ids[:, t]) for t, layer in enumerate(layers)], dim=1) * factor).sum().backward()
    for name, layer in zip(tables, layers, strict=True):
        grad = tables[name].grad
        assert grad.is_sparse == sparse
        assert torch.equal(grad.to_dense() if sparse else grad, layer.weight.grad)


@pytest.mark.parametrize(("bad", "value"), [((3, 1), 5), ((2, 0), -1)])
def test_a_bad_id_names_its_table_value_position_and_size(bad, value):
    tables = EmbeddingTables({"store": (11, 4), "state": (5, 3)})
    ids = ids_for(tables, 6)
    ids[bad] = value
    name = tables.names[bad[1]]
    with pytest.raises(
        RowOutOfRangeError, match=f"{name}.*got {value} at position \\({bad[0]}, {bad[1]}\\)"
    ) as caught:
        tables(ids)
    error = caught.value
    assert (error.value, error.position, error.n_bad) == (value, bad, 1)
    assert error.n_rows == tables[name].shape[0]
    assert isinstance(error, IndexError)


def test_ids_with_the_wrong_number_of_columns_are_refused():
    tables = EmbeddingTables({"store": (11, 4), "state": (5, 3)})
    for shape in ((4, 3), (2,)[:0], (4, 1)):
        with pytest.raises(ArgumentError, match="one column per table"):
            tables(torch.zeros(shape, dtype=torch.int64))


def test_a_wrong_name_gets_the_nearest_one():
    tables = EmbeddingTables({"store": (11, 4)})
    with pytest.raises(UnknownKeyError, match="Did you mean 'store'"):
        tables["stroe"]
    assert 3 not in tables


def test_what_is_no_mapping_and_what_is_no_tensor_is_named():
    with pytest.raises(ArgumentTypeError, match=r"must be a mapping of names .* got list"):
        EmbeddingTables([(10, 4)])
    with pytest.raises(ArgumentTypeError, match=r"must be an int tensor .* got dict"):
        EmbeddingTables({"a": (10, 4)})({"a": torch.tensor([1])})


@pytest.mark.parametrize("sizes", [{3: (1, 2)}, {"a": 3}, {"a": (1, 2, 3)}, {"a": ("x", 2)}])
def test_wrong_sizes_are_refused_by_type(sizes):
    with pytest.raises(ArgumentTypeError, match="`sizes` of `EmbeddingTables`"):
        EmbeddingTables(sizes)


def test_negative_sizes_are_refused():
    with pytest.raises(ArgumentError, match="must not be negative"):
        EmbeddingTables({"a": (-1, 2)})


def test_no_tables_give_no_columns():
    assert EmbeddingTables({})(torch.zeros(4, 0, dtype=torch.int64)).shape == (4, 0)


def test_output_splits_into_blocks_by_name():
    tables = EmbeddingTables({"store": (11, 4), "state": (5, 3)})
    ids = ids_for(tables, 6)
    blocks = tables.split(tables(ids))
    assert torch.equal(blocks["state"], tables["state"][ids[:, 1]])


def test_repr_lists_the_tables():
    text = repr(plectrum.nn.EmbeddingTables({"a.b": (4, 3), "": (2, 2)}))
    assert "'a.b': (4, 3)" in text
    assert "'': (2, 2)" in text


def test_tables_compile_without_graph_breaks():
    torch.compiler.reset()
    tables = EmbeddingTables({"a.b": (4, 3), "": (2, 2)})
    ids = ids_for(tables, 6)
    compiled = torch.compile(tables, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(ids), tables(ids))


def test_tables_can_be_made_on_the_meta_device():
    tables = EmbeddingTables({"a": (4, 3)}, device="meta", dtype=torch.bfloat16)
    out = tables(torch.zeros(5, 1, dtype=torch.int64, device="meta"))
    assert (out.shape, out.dtype) == ((5, 3), torch.bfloat16)
