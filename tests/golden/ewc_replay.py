#!/usr/bin/env python3
"""Writes ewc_replay.inc: ten losses of a fixed net on fixed data, trained by Adam under a proximal EWC penalty.

An implementation of its own in Python floats (double precision, one sample at a time, erf from math), sharing nothing
with libewc but the equations. Run it in this directory: ./ewc_replay.py > ewc_replay.inc
With --check FILE it compares the numbers of FILE with fresh ones (1e-12 relative) and sets the exit status.
"""
import math
import sys

INPUTS, HIDDEN, OUTPUTS, ROWS, STEPS = 5, [(7, "gelu"), (6, "tanh")], 4, 12, 10
RATE, BETA1, BETA2, EPS, LAMBDA = 0.05, 0.9, 0.999, 1e-8, 0.3


def wave(i, a, b):
    """A number in -1..1 that is exact in single precision, so that both sides start from the same bits."""
    return round(math.sin(a * i + b) * 4096) / 4096


def act(name, z):
    if name == "gelu":
        cdf = 0.5 * (1 + math.erf(z / math.sqrt(2)))
        return z * cdf, cdf + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    y = math.tanh(z)
    return y, 1 - y * y


def train():
    sizes = [INPUTS] + [n for n, _ in HIDDEN] + [OUTPUTS]
    layout, at = [], 0
    for i, o in zip(sizes, sizes[1:]):
        layout.append((i, o, at, at + i * o))
        at += i * o + o
    theta = [wave(k, 1.7, 0.3) / 2 for k in range(at)]
    anchor = [wave(k, 0.9, 1.1) / 2 for k in range(at)]
    fisher = [abs(wave(k, 2.3, 0.7)) if k % 3 else 0.0 for k in range(at)]
    x = [[wave(n * INPUTS + i, 0.61, 0.2) for i in range(INPUTS)] for n in range(ROWS)]
    label = [(7 * n + n * n) % OUTPUTS for n in range(ROWS)]
    m, v, losses = [0.0] * at, [0.0] * at, []

    for t in range(1, STEPS + 1):
        grad, loss = [0.0] * at, 0.0
        for row, y in zip(x, label):
            inputs, slopes, a = [], [], row
            for l, (i, o, w, b) in enumerate(layout):
                inputs.append(a)
                z = [theta[b + r] + sum(theta[w + r * i + c] * a[c] for c in range(i)) for r in range(o)]
                if l < len(HIDDEN):
                    pairs = [act(HIDDEN[l][1], q) for q in z]
                    a, slope = [p[0] for p in pairs], [p[1] for p in pairs]
                    slopes.append(slope)
                else:
                    a = z
            total = sum(math.exp(q) for q in a)
            loss += (math.log(total) - a[y]) / ROWS
            delta = [math.exp(q) / total - (k == y) for k, q in enumerate(a)]
            for l in range(len(layout) - 1, -1, -1):
                i, o, w, b = layout[l]
                for r in range(o):
                    grad[b + r] += delta[r] / ROWS
                    for c in range(i):
                        grad[w + r * i + c] += delta[r] * inputs[l][c] / ROWS
                if l:
                    delta = [slopes[l - 1][c] * sum(delta[r] * theta[w + r * i + c] for r in range(o))
                             for c in range(i)]
        losses.append(loss)
        for k in range(at):
            m[k] = BETA1 * m[k] + (1 - BETA1) * grad[k]
            v[k] = BETA2 * v[k] + (1 - BETA2) * grad[k] ** 2
            step = RATE / (math.sqrt(v[k] / (1 - BETA2 ** t)) + EPS)
            moved = theta[k] - step * m[k] / (1 - BETA1 ** t)
            pull = 2 * step * LAMBDA * fisher[k]
            theta[k] = (moved + pull * anchor[k]) / (1 + pull)

    return losses


def recorded(path):
    with open(path, encoding="ascii") as f:
        return [float(line.rstrip(",\n")) for line in f if not line.startswith("/*")]


def main():
    losses = train()
    if sys.argv[1:2] == ["--check"]:
        old = recorded(sys.argv[2])
        same = len(old) == len(losses) and all(abs(a / b - 1) < 1e-12 for a, b in zip(old, losses))
        sys.exit(0 if same else "%s does not hold the losses of this script" % sys.argv[2])
    print("/* Written by ewc_replay.py. Losses before each of ten steps; float training agrees to 1e-6 relative. */")
    for value in losses:
        print("%.15g," % value)


main()
