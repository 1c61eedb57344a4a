"""The samples by which torch tests its own lookups, on tables that an optimizer of plectrum holds.

They come with torch: `torch.testing._internal` lists, for each operation, arguments that should work, and
some that should not. (What torch's own test files add, on layers, stands in `test_layers_equal_torch.py`.)
"""

import warnings

import pytest
import torch

import plectrum.optim
from plectrum.rows import RowParameter

pytestmark = [
    pytest.mark.slow,  # torch's lists of samples are seconds to import
    pytest.mark.filterwarnings("ignore"),  # what they import warns of itself
]
OPERATIONS = ["embedding", "embedding_bag"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def operation(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return next(op for op in op_db if op.name == f"nn.functional.{name}")


def run(function, weight, sample, slope=None):
    """Return the output, the gradient of the table and those of other arguments, all dense."""
    others = [x for x in (*sample.args, *sample.kwargs.values()) if isinstance(x, torch.Tensor)]
    others = [x for x in others if x.requires_grad]
    weight.grad = None
    out = function(sample.args[0], weight, *sample.args[1:], **sample.kwargs)
    gradients = [None] * len(others)
    if out.requires_grad:
        slope = torch.ones_like(out) if slope is None else slope
        for x in others:
            x.grad = None
        out.backward(slope, inputs=[weight, *others])
        gradients = [x.grad for x in others]
    gradient = weight.grad
    return out.detach(), gradient.to_dense() if gradient is not None else None, gradients


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_torchs_samples_give_torchs_numbers_and_gradients(name, dtype):
    function, n_seen = getattr(torch.nn.functional, name), 0
    for sample in operation(name).sample_inputs("cpu", dtype, requires_grad=True):
        if sample.input.dim() != 2:
            continue
        theirs = torch.nn.Parameter(sample.input.detach().clone())
        ours = torch.nn.Parameter(sample.input.detach().clone())
        plain = {**sample.kwargs, "sparse": False} if "sparse" in sample.kwargs else sample.kwargs
        expected = run(function, theirs, type(sample)(sample.input, args=sample.args, kwargs=plain))
        layer = torch.nn.Embedding(*ours.shape, _weight=ours)
        layer.weight = ours
        optimizer = plectrum.optim.SGD(layer, lr=0.1, dense_below=0)
        assert isinstance(ours, RowParameter)
        found = run(function, ours, sample)
        # gradients of a row are summed in another order, and rounded as they are summed
        near = {"rtol": 0.01, "atol": 50 * torch.finfo(dtype).eps} if dtype.itemsize == 2 else {}
        torch.testing.assert_close(found, expected, **near, msg=lambda text, s=sample: f"{s}\n{text}")
        n_seen += 1
        del optimizer
    assert n_seen >= 3


def test_what_torch_says_should_fail_fails():
    for case in operation("embedding").error_inputs("cpu"):
        sample = case.sample_input
        if sample.input.dim() != 2:
            continue
        layer = torch.nn.Embedding(*sample.input.shape, _weight=sample.input.detach().clone())
        optimizer = plectrum.optim.SGD(layer, lr=0.1, dense_below=0)
        with pytest.raises(case.error_type, match=case.error_regex):
            torch.nn.functional.embedding(sample.args[0], layer.weight, **sample.kwargs)
        del optimizer
