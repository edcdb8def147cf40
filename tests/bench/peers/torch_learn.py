#!/usr/bin/python3
"""The steps and the Fisher pass of `ewc-bench speed` in PyTorch, on data of the same shapes: batch 128, Adam 1e-3.

The penalty is added to the loss, as the public EWC codes do; the Fisher is the usual loop over single samples.
Prints one line a figure: "name value unit"; every figure is a median. Usage: torch_learn.py NET [THREADS]
NET is the widths of a dense net, 784-400-400-10, or conv: 32x32x3, twice a 3x3 convolution with relu and a pool (16
and 32 channels), 128 units, 10 outputs; without a Fisher.
"""
import statistics
import sys
import time

import torch
from torch import nn

BATCH, ROWS, ROUNDS, ROUND_SECONDS, FISHER_ROWS = 128, 1024, 11, 0.2, 40


def dense(widths):
    layers = [nn.Linear(widths[0], widths[1])]
    for a, b in zip(widths[1:], widths[2:]):
        layers += [nn.ReLU(), nn.Linear(a, b)]
    return nn.Sequential(*layers), (widths[0],)


def conv():
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10)), (3, 32, 32)


name = sys.argv[1]
torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
torch.manual_seed(1)
net, shape = conv() if name == "conv" else dense([int(w) for w in name.split("-")])
x = torch.rand(ROWS, *shape)
y = torch.randint(10, (ROWS,))
params = list(net.parameters())
anchor = [p.detach().clone() for p in params]
fisher = [2 * torch.rand_like(p) for p in params]
optim = torch.optim.Adam(params, lr=1e-3)
entropy = nn.functional.cross_entropy


def step(i, penalty):
    at = i % (ROWS // BATCH) * BATCH
    optim.zero_grad()
    loss = entropy(net(x[at:at + BATCH]), y[at:at + BATCH])
    if penalty:
        loss = loss + 0.01 * sum((f * (p - a) ** 2).sum() for p, f, a in zip(params, fisher, anchor))
    loss.backward()
    optim.step()


total = [torch.zeros_like(p) for p in params]


def fisher_row(i):
    net.zero_grad()
    entropy(net(x[i:i + 1]), y[i:i + 1]).backward()
    for t, p in zip(total, params):
        t += p.grad ** 2


def timed(call, n):
    start = time.perf_counter()
    for i in range(n):
        call(i)
    return 1e3 * (time.perf_counter() - start) / n


def median(call, most):
    """Milliseconds of one call; a round lasts some ROUND_SECONDS."""
    once = min(timed(call, 3), timed(call, 3))
    n = max(3, min(most, int(1e3 * ROUND_SECONDS / once)))
    return statistics.median(timed(call, n) for _ in range(ROUNDS))


print("step_plain %.6f ms" % median(lambda i: step(i, False), 40))
print("step_ewc %.6f ms" % median(lambda i: step(i, True), 40))
if name != "conv":
    print("fisher_empirical_row %.6f ms" % median(fisher_row, FISHER_ROWS))
