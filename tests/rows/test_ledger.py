import torch

import plectrum.optim


def trained():
    """A table of which row 0 alone took the last three of four steps, and the dense table it stands for."""
    torch.manual_seed(0)
    layer = torch.nn.Embedding(50, 8)
    dense = torch.nn.Embedding(50, 8, _weight=layer.weight.detach().clone())
    pairs = [
        (layer, plectrum.optim.AdamW(layer, lr=0.1, dense_below=0)),
        (dense, torch.optim.AdamW(dense.parameters(), lr=0.1)),
    ]
    for ids in (torch.arange(50), *[torch.tensor([0])] * 3):
        for model, optimizer in pairs:
            model(ids).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    return layer, dense


def test_ids_changed_in_place_between_two_lookups_are_caught_up_anew():
    layer, dense = trained()
    ids = torch.tensor([3, 3])
    for row in (3, 7, 9):
        ids.fill_(row)
        torch.testing.assert_close(layer(ids), dense(ids))


def test_other_ids_in_the_same_memory_are_caught_up_anew():
    layer, dense = trained()
    ids = torch.tensor([3, 7, 9, 11])
    for part in (ids[:1], ids[:2], ids[::2], ids[1::2], ids.view(2, 2).T[0]):
        torch.testing.assert_close(layer(part), dense(part))


def test_ids_made_in_inference_mode_are_caught_up_each_time():
    layer, dense = trained()
    with torch.inference_mode():
        ids = torch.tensor([3, 7])
        for _ in range(2):
            torch.testing.assert_close(layer(ids), dense(ids))
            ids += 1


def test_an_update_does_not_ask_again_for_the_ids_of_its_forward(monkeypatch):
    asked = []
    take = plectrum.rows._ledger.take_rows_behind
    monkeypatch.setattr(
        plectrum.rows._ledger, "take_rows_behind", lambda *a: asked.append(len(a[1])) or take(*a)
    )
    wide = torch.nn.Embedding(2000, 64)
    optimizer = plectrum.optim.AdamW(wide, dense_below=0)
    for _ in range(3):
        wide(torch.arange(5000) % 2000).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert asked == [5000, 5000]  # at the first step no row can be behind
