import torch

from plectrum.training._average import WeightAverage


def walk(average, layer, values):
    for step, value in enumerate(values, 1):
        with torch.no_grad():
            layer.weight.fill_(value)
        average.after_step(step)


def test_the_average_of_one_step_is_that_step():
    layer = torch.nn.Linear(1, 1)
    average = WeightAverage(layer, half_life=100.0)
    walk(average, layer, [3.0])
    assert average.network.weight.item() == 3.0


def test_a_step_counts_half_after_the_half_life():
    layer = torch.nn.Linear(1, 1)
    average = WeightAverage(layer, half_life=4.0)
    walk(average, layer, [0.0] * 100 + [1.0] * 4)
    torch.testing.assert_close(average.network.weight, torch.tensor([[0.5]]))


def test_the_random_start_is_soon_forgotten():
    layer = torch.nn.Linear(1, 1)
    average = WeightAverage(layer, half_life=1000.0)
    walk(average, layer, [100.0, *[1.0] * 39])
    assert abs(average.network.weight.item() - 1.0) < 2.0


def test_running_statistics_are_averaged_and_counters_are_copied():
    norm = torch.nn.BatchNorm1d(2)
    average = WeightAverage(norm, half_life=1.0)
    for step in range(1, 30):
        norm(torch.randn(8, 2) + 5.0)
        average.after_step(step)
    assert average.network.num_batches_tracked.item() == 29
    torch.testing.assert_close(average.network.running_mean, norm.running_mean, rtol=0.2, atol=0.0)


def test_the_network_in_training_is_left_alone():
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    average = WeightAverage(layer, half_life=2.0)
    walk(average, layer, [])
    average.after_step(1)
    torch.testing.assert_close(layer.weight.detach(), before, rtol=0.0, atol=0.0)


def test_an_average_goes_on_from_its_state():
    one, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    first = WeightAverage(one, half_life=10.0)
    walk(first, one, [1.0, 2.0, 3.0])
    second = WeightAverage(other, half_life=10.0)
    second.load_state_dict(first.state_dict())
    for average, layer in ((first, one), (second, other)):
        with torch.no_grad():
            layer.weight.fill_(9.0)
        average.after_step(4)
    torch.testing.assert_close(first.network.weight, second.network.weight, rtol=0.0, atol=0.0)
