"""The weights of a stored ewcd model for the peers of serve.sh, so that all of them compute the same net.

  serve_weights.py DATABASE MODEL OUT     writes OUT.json (layers), OUT.bin (theta, float32) and OUT.onnx

The vector theta holds each layer's W, row-major, then its bias; a convolution's W is (units, kernel, kernel, channels).
The ONNX graph takes rows as ewcd does and orders a convolution's output by pixel before the first dense layer.
"""
import json
import sqlite3
import sys

import numpy as np

database, model, out = sys.argv[1:4]
db = sqlite3.connect("file:%s?mode=ro" % database, uri=True)
spec, theta = db.execute(
    "SELECT m.spec, v.theta FROM model m JOIN version v ON v.model = m.id WHERE m.name = ? ORDER BY v.number DESC",
    (model,)).fetchone()
chunks = db.execute("SELECT data FROM blob_chunk WHERE digest = ? ORDER BY number", (theta,)).fetchall()
theta = np.frombuffer(b"".join(c[0] for c in chunks), "<f4")
spec = json.loads(spec)
n_classes = len(spec["classes"]) if "classes" in spec else db.execute(
    "SELECT count(*) FROM class c JOIN model m ON c.model = m.id WHERE m.name = ?", (model,)).fetchone()[0]
shape = spec["input"]["shape"]
h, w, c = (shape + [1, 1])[:3] if len(shape) > 1 else (1, 1, shape[0])

layers, at = [], 0
for layer in spec["layers"] + [{"type": "dense", "units": n_classes, "activation": "identity"}]:
    kind = layer["type"]
    row = {"type": kind, "activation": layer.get("activation"), "in": [h, w, c]}
    if kind in ("dense", "conv"):
        k, units = layer.get("kernel", 0), layer["units"]
        cols = k * k * c if kind == "conv" else h * w * c
        row.update(units=units, cols=cols, w=at, b=at + units * cols, kernel=k)
        at += units * cols + units
    if kind in ("conv", "max_pool"):
        k, stride, pad = layer["kernel"], layer.get("stride", 1), layer.get("padding", 0)
        h, w = (h + 2 * pad - k) // stride + 1, (w + 2 * pad - k) // stride + 1
        row.update(kernel=k, stride=stride, padding=pad)
        c = layer.get("units", c)
    elif kind == "dense":
        h, w, c = 1, 1, layer["units"]
    layers.append(row)
if at != len(theta):
    sys.exit("%s has %d parameters, its layers take %d" % (model, len(theta), at))
json.dump({"shape": shape, "layers": layers}, open(out + ".json", "w"))
theta.tofile(out + ".bin")

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    sys.exit(0)  # the row that needs it will say so

nodes, inits, x = [], [], "input"


def node(op, inputs, **more):
    name = "t%d" % len(nodes)
    nodes.append(helper.make_node(op, inputs, [name], **more))
    return name


def const(value):
    name = "c%d" % len(inits)
    inits.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return name


image = False
for row in layers:
    ih, iw, ic = row["in"]
    if row["type"] in ("conv", "max_pool") and not image:
        x = node("Reshape", [x, const(np.array([-1, ih, iw, ic], np.int64))])
        x, image = node("Transpose", [x], perm=[0, 3, 1, 2]), True
    if row["type"] == "conv":
        k = row["kernel"]
        weight = theta[row["w"]:row["b"]].reshape(row["units"], k, k, ic).transpose(0, 3, 1, 2)
        bias = theta[row["b"]:row["b"] + row["units"]]
        x = node("Conv", [x, const(weight), const(bias)], strides=[row["stride"]] * 2, pads=[row["padding"]] * 4)
    elif row["type"] == "max_pool":
        x = node("MaxPool", [x], kernel_shape=[row["kernel"]] * 2, strides=[row["stride"]] * 2)
    elif row["type"] == "dense":
        if image:
            x, image = node("Transpose", [x], perm=[0, 2, 3, 1]), False
            x = node("Reshape", [x, const(np.array([-1, ih * iw * ic], np.int64))])
        weight = theta[row["w"]:row["b"]].reshape(row["units"], row["cols"])
        x = node("Gemm", [x, const(weight), const(theta[row["b"]:row["b"] + row["units"]])], transB=1)
    if row["activation"] == "relu":
        x = node("Relu", [x])
node("Softmax", [x], axis=1)
n_in = int(np.prod(shape))
graph = helper.make_graph(nodes, model, [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["rows", n_in])],
                          [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["rows", n_classes])],
                          inits)
built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
built.ir_version = 7
onnx.checker.check_model(built)
onnx.save(built, out + ".onnx")
