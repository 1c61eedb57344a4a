import itertools

import pytest
import torch
from torch import nn

from plectrum.errors import ArgumentError, RunError
from plectrum.training import FilmRecorder, Plan, Rows, UpdateCounter, batch_edges, evaluate_loss, train


class OneTable(nn.Module):
    def __init__(self, n_rows=6, dim=3):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(n_rows, dim)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(dim, 1)

    def forward(self, ids):
        return self.out(self.drop(self.table(ids[:, 0]))).squeeze(1)


def squared(output, target):
    return (output - target).square()


def make_rows(n=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(6, (n, 1), generator=generator)
    return Rows((ids,), ids[:, 0].float() + 0.1 * torch.randn(n, generator=generator))


def run(network, *, epochs=6, patience=None, rows=None, held_out=None, lr=0.05, **options):
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    plan = Plan(epochs=epochs, batch_size=16, seed=3, patience=patience)
    return train(
        network,
        rows or make_rows(),
        loss=squared,
        optimizer=optimizer,
        plan=plan,
        held_out=held_out or make_rows(30, 1),
        **options,
    )


class Interrupted(Exception):  # noqa: N818
    pass


def interrupt_after(epoch):
    def listen(progress):
        if progress.epoch_is_done and progress.epoch == epoch:
            raise Interrupted

    return listen


def test_batches_are_nearly_equal_and_never_of_one_row_beside_larger_ones():
    for n in range(1, 70):
        edges = batch_edges(n, 16)
        sizes = [b - a for a, b in itertools.pairwise(edges)]
        assert sum(sizes) == n
        assert max(sizes) <= 16
        assert max(sizes) - min(sizes) <= 1


def test_training_lowers_the_loss_and_is_reproducible():
    before = evaluate_loss(OneTable(), make_rows(30, 1), squared)
    first, second = OneTable(), OneTable()
    history = run(first)
    assert run(second).epochs[-1].valid_loss == history.epochs[-1].valid_loss
    assert history.epochs[-1].valid_loss < before / 2
    assert torch.equal(first.table.weight, second.table.weight)


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(OneTable())
    torch.manual_seed(5)
    network = OneTable()
    torch.manual_seed(5)
    run(network)
    assert torch.equal(torch.rand(3), expected)


def test_the_weights_of_the_best_epoch_are_restored():
    network = OneTable()
    history = run(network, epochs=12, lr=2.0)
    losses = [epoch.valid_loss for epoch in history.epochs]
    assert history.best_loss == min(losses)
    assert losses[history.best_epoch - 1] == min(losses)
    assert evaluate_loss(network, make_rows(30, 1), squared) == pytest.approx(min(losses), rel=1e-9)


def test_patience_ends_a_training_early():
    history = run(OneTable(), epochs=300, patience=2)
    assert history.stopped == "early"
    assert len(history.epochs) == history.best_epoch + 2


@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_a_resumed_training_ends_exactly_where_an_undisturbed_one_does(tmp_path, epoch):
    def parts():
        network = OneTable()
        counter = UpdateCounter([6])
        film = FilmRecorder({"t": network.table.weight}, {"t": range(6)}, n_snapshots=5)
        return network, counter, film

    whole, counter, film = parts()
    history = run(whole, counter=counter, film=film)

    file = tmp_path / "c.safetensors"
    broken, broken_counter, broken_film = parts()
    with pytest.raises(Interrupted):
        run(
            broken, counter=broken_counter, film=broken_film, checkpoint=file, progress=interrupt_after(epoch)
        )

    resumed, resumed_counter, resumed_film = parts()
    resumed_history = run(resumed, counter=resumed_counter, film=resumed_film, checkpoint=file, resume=True)
    assert [e.valid_loss for e in resumed_history.epochs] == [e.valid_loss for e in history.epochs]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert torch.equal(counter.counts[0], resumed_counter.counts[0])
    assert (film.films()["t"].snapshots == resumed_film.films()["t"].snapshots).all()
    assert film.films()["t"].steps == resumed_film.films()["t"].steps


def test_a_checkpoint_of_another_plan_is_refused(tmp_path):
    file = tmp_path / "c.safetensors"
    run(OneTable(), epochs=2, checkpoint=file)
    with pytest.raises(RunError, match="same plan"):
        run(OneTable(), epochs=3, checkpoint=file, resume=True)


def test_a_loss_that_explodes_names_the_learning_rate():
    rows = make_rows()
    wild = Rows(rows.inputs, rows.target * 1e38)
    with pytest.raises(ArgumentError, match="learning_rate"):
        run(OneTable(), rows=wild)


def test_weights_of_rows_count_like_repetition_in_the_held_out_loss():
    rows = make_rows(10)
    weight = torch.ones(10)
    weight[3] = 3.0
    repeated = rows.take(torch.tensor([*range(10), 3, 3]))
    network = OneTable().eval()
    weighted = evaluate_loss(network, Rows(rows.inputs, rows.target, weight), squared)
    assert weighted == pytest.approx(evaluate_loss(network, repeated, squared), rel=1e-6)


def test_progress_tells_epochs_losses_and_speed():
    heard = []
    history = run(OneTable(), epochs=3, progress=heard.append)
    done = [p for p in heard if p.epoch_is_done]
    assert [p.epoch for p in done] == [1, 2, 3]
    assert done[-1].valid_loss == history.epochs[-1].valid_loss
    assert done[-1].rows == done[-1].n_rows == 50
    assert done[-1].seconds_left == 0
    assert all(p.rows_per_second > 0 for p in heard)


def test_updates_are_counted_once_a_batch():
    counter = UpdateCounter([6])
    ids = torch.tensor([[0], [0], [1], [0], [5]])
    counter.count(ids, edges=[0, 2, 5])
    assert counter.counts[0].tolist() == [2, 1, 0, 0, 0, 1]
