"""How can backprop update the data? It does not: it updates a table of weights, and only rows looked up."""

import torch

days = {"Mon": 0, "Tue": 1, "Wed": 2, "Thu": 3}  # keys -> rows of the table
batch, visitors = ["Mon", "Tue", "Mon"], torch.tensor([20.0, 35.0, 24.0])  # the data; nothing changes them

torch.manual_seed(0)
table = torch.nn.Embedding(len(days), 2)  # 4 x 2 numbers, random at first: weights, as in any layer
head = torch.nn.Linear(2, 1)
rows = torch.tensor([days[day] for day in batch])  # Mon, Tue, Mon -> 0, 1, 0
one_hot = torch.nn.functional.one_hot(rows, len(days)).float()
print("looking rows up equals one-hot times table:", torch.equal(table(rows), one_hot @ table.weight))

before = table.weight.detach().clone()
loss = ((head(table(rows)).squeeze() - visitors) ** 2).mean()
loss.backward()  # Mon was looked up twice: its gradient is the sum of its two
torch.optim.SGD([*table.parameters(), *head.parameters()], lr=0.01).step()

for day, row in days.items():
    gradient, change = table.weight.grad[row], table.weight[row].detach() - before[row]
    reason = "moved by -0.01 x gradient" if gradient.any() else "untouched: not in the batch"
    print(day, *(f"{g:8.3f}" for g in gradient), " change", *(f"{c:7.4f}" for c in change), "", reason)
after = ((head(table(rows)).squeeze() - visitors) ** 2).mean()
print(f"loss of the same batch {loss:.1f} -> {after:.1f}; the data are still {batch}")
