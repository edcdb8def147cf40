#!/usr/bin/python3
"""The same step and Fisher pass as learn.c, in PyTorch: 784-400-400-10, batch 128, Adam 1e-3.

The penalty is added to the loss, as the public EWC codes do; the Fisher is the usual loop over single samples.
Prints one line a figure: "name value unit"; every figure is a median. Usage: torch_learn.py [THREADS]
"""
import statistics
import sys
import time

import torch

I, U, O, B, ROUNDS, STEPS, FISHER_ROWS = 784, 400, 10, 128, 15, 40, 200

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Linear(I, U), torch.nn.ReLU(), torch.nn.Linear(U, U), torch.nn.ReLU(),
                          torch.nn.Linear(U, O))
x = torch.rand(2048, I)
y = torch.randint(O, (2048,))
params = list(net.parameters())
anchor = [p.detach().clone() for p in params]
fisher = [2 * torch.rand_like(p) for p in params]
optim = torch.optim.Adam(params, lr=1e-3)
entropy = torch.nn.functional.cross_entropy


def step(penalty):
    start = time.perf_counter()
    for i in range(STEPS):
        at = i % (2048 // B) * B
        optim.zero_grad()
        loss = entropy(net(x[at:at + B]), y[at:at + B])
        if penalty:
            loss = loss + 0.01 * sum((f * (p - a) ** 2).sum() for p, f, a in zip(params, fisher, anchor))
        loss.backward()
        optim.step()
    return (time.perf_counter() - start) / STEPS


def fisher_loop():
    total = [torch.zeros_like(p) for p in params]
    start = time.perf_counter()
    for i in range(FISHER_ROWS):
        net.zero_grad()
        entropy(net(x[i:i + 1]), y[i:i + 1]).backward()
        for t, p in zip(total, params):
            t += p.grad ** 2
    return (time.perf_counter() - start) / FISHER_ROWS


def median(call):
    call()
    return statistics.median(call() for _ in range(ROUNDS))


print("threads", torch.get_num_threads(), "count")
print("step_plain %.6f ms" % (1e3 * median(lambda: step(False))))
print("step_ewc %.6f ms" % (1e3 * median(lambda: step(True))))
print("fisher_empirical_row %.6f ms" % (1e3 * median(fisher_loop)))
