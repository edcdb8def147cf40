#!/usr/bin/python3
"""Makes the numbers of dump.c again in PyTorch, in double, and compares: loss, gradient, EMPIRICAL and EXACT Fisher,
the penalty, and ten steps of SGD with momentum and of Adam: plain, with the penalty in the loss, and with the proximal
step re-stated here.

An error is the largest difference of a quantity's numbers, each relative to the larger of its size and the quantity's
root mean square. Steps are compared by the way they went, theta - theta_0, and by every step's loss.
Prints one line a quantity; exit status 1 when an error is over 1e-4. Usage: torch_check.py FILE
"""
import json
import sys

import torch

LIMIT = 1e-4
ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU, "sigmoid": torch.nn.Sigmoid,
               "none": torch.nn.Identity}
log_probs = torch.nn.functional.log_softmax

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
with open(sys.argv[1], encoding="utf-8") as file:
    dump = json.load(file)
x = torch.tensor(dump["x"]).reshape(-1, dump["inputs"])
y = torch.tensor(dump["label"])
batch = dump["batch"]
anchor, theta_0, failed = torch.tensor(dump["anchor"]), torch.tensor(dump["theta"]), False


def compare(name, got, want):
    global failed
    got, want = torch.as_tensor(got).reshape(-1), torch.as_tensor(want).reshape(-1)
    size = torch.maximum(want.abs(), (want ** 2).mean().sqrt())
    error = float(((got - want).abs() / size).max()) if got.shape == want.shape else float("inf")
    good = error <= LIMIT  # false for NaN as well
    failed |= not good
    print(f"{name:<44} {len(want):5d} numbers  error {error:.2e}  {'ok' if good else 'MISMATCH'}")


def net_at(theta):
    """The net with parameters theta, which libewc orders as PyTorch does: W, b, layer by layer."""
    parts, n = [], dump["inputs"]
    for units, activation in dump["layers"]:
        parts += [torch.nn.Linear(n, units), ACTIVATIONS[activation]()]
        n = units
    net = torch.nn.Sequential(*parts)
    torch.nn.utils.vector_to_parameters(theta.clone(), net.parameters())
    return net


def flat(net):
    return torch.nn.utils.parameters_to_vector(net.parameters()).detach().clone()


def gradient(net, value):
    return torch.cat([g.reshape(-1) for g in torch.autograd.grad(value, list(net.parameters()), retain_graph=True)])


def fisher(exact):
    """The mean over rows of squared gradients of log p(y|x): of the label's, or of all, weighted by p(y|x)."""
    net, total = net_at(theta_0), torch.zeros_like(theta_0)
    for row, label in zip(x, y):
        log_p = log_probs(net(row[None]), 1)[0]
        for k in range(len(log_p)) if exact else [label]:
            weight = log_p[k].exp().detach() if exact else 1.0
            total += weight * gradient(net, log_p[k]) ** 2
    return total / len(x)


def penalty_of(theta, importance):
    return dump["lambda"] * (importance * (theta - anchor) ** 2).sum()


def prox(net, run, optim, importance):
    """theta = anchor + (theta - anchor) / (1 + 2 step lambda F) with the step the optimiser took."""
    if run["optimizer"] == "adam":
        states = [optim.state[p] for p in net.parameters()]
        square = torch.cat([s["exp_avg_sq"].reshape(-1) for s in states])
        step = run["rate"] / ((square / (1 - run["beta2"] ** float(states[0]["step"]))).sqrt() + run["eps"])
    else:
        step = run["rate"] / (1 - run["momentum"])
    moved = anchor + (flat(net) - anchor) / (1 + 2 * step * dump["lambda"] * importance)
    torch.nn.utils.vector_to_parameters(moved, net.parameters())


def train(run, importance):
    net, losses = net_at(theta_0), []
    if run["optimizer"] == "adam":
        optim = torch.optim.Adam(net.parameters(), lr=run["rate"], betas=(run["beta1"], run["beta2"]), eps=run["eps"])
    else:
        optim = torch.optim.SGD(net.parameters(), lr=run["rate"], momentum=run["momentum"])
    for i in range(len(run["losses"])):
        at = i * batch % len(x)
        loss = torch.nn.functional.cross_entropy(net(x[at:at + batch]), y[at:at + batch])
        losses.append(float(loss))
        if run["form"] == "gradient":
            loss = loss + penalty_of(torch.nn.utils.parameters_to_vector(net.parameters()), importance)
        optim.zero_grad()
        loss.backward()
        optim.step()
        if run["form"] == "proximal":
            prox(net, run, optim, importance)
    return flat(net), losses


start = net_at(theta_0)
first = torch.nn.functional.cross_entropy(start(x[:batch]), y[:batch])
compare("loss", dump["loss"], first.detach())
compare("gradient", dump["gradient"], gradient(start, first))
for kind in ("empirical", "exact"):
    raw = fisher(kind == "exact")
    compare(f"{kind} Fisher", torch.tensor(dump[kind]) * dump[f"{kind}_factor"], raw)
    compare(f"{kind} Fisher, mean 1", dump[kind], raw / raw.mean())
compare("penalty", dump["penalty"], penalty_of(theta_0, raw / raw.mean()))
for one in dump["runs"]:
    theta, all_losses = train(one, raw / raw.mean())
    name = f"{len(one['losses'])} steps, {one['optimizer']}, {one['form']}"
    compare(name + ": way", torch.tensor(one["theta"]) - theta_0, theta - theta_0)
    compare(name + ": losses", one["losses"], all_losses)
sys.exit(1 if failed else 0)
