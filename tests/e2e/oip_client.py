#!/usr/bin/env python3
"""Requests as tritonclient and KServe's client put them on the wire, to the byte, against a running daemon.

oip_client.py PORT. Answers are read by infer_result(), a re-statement of tritonclient's
InferResult.from_response_body; so an answer that client could not read fails here. Exit status 0: all held.
"""

import gzip
import http.client
import json
import struct
import sys

PORT = int(sys.argv[1])
HEADER = "Inference-Header-Content-Length"
SIZES = {"BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "FP16": 2, "BF16": 2, "UINT32": 4, "INT32": 4,
         "FP32": 4, "UINT64": 8, "INT64": 8, "FP64": 8}
PIXELS = [(i * 37 % 256) / 256 for i in range(784)]
ROW = struct.pack("<784f", *PIXELS)
SMALL = [0.10000000149011612, 0.5, 1.0]


def call(method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    fields = {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return answer.status, fields, data


def get(path):
    status, fields, data = call("GET", path)
    assert status == 200 and fields["content-type"] == "application/json", (path, status, data)
    return json.loads(data)


def infer(path, body, length=None, status=200, **more):
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if length is not None:
        headers[HEADER] = str(length)
    got, fields, data = call("POST", path, body, headers)
    assert got == status, (path, got, data)
    return fields, data


def refused(path, body, length, part, status=400, **more):
    fields, data = infer(path, body, length, status, **more)
    assert fields["content-type"] == "application/json", fields
    problem = json.loads(data)
    assert isinstance(problem["error"], str) and problem["status"] == status
    assert part in problem["detail"], problem
    return problem


def bytes_elements(data):
    out = []
    while data:
        (n,) = struct.unpack_from("<I", data)
        assert len(data) >= 4 + n
        out.append(data[4:4 + n])
        data = data[4 + n:]
    return out


def infer_result(fields, data):
    """Output name -> (datatype, shape, values), and the JSON part: cut in order by binary_data_size."""
    length = fields.get(HEADER.lower())
    head = json.loads(data if length is None else data[:int(length)])
    rest = b"" if length is None else data[int(length):]
    outputs = {}
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        shape, datatype = output["shape"], output["datatype"]
        count = 1
        for dim in shape:
            count *= dim
        if size is None:
            values = output["data"]
        else:
            assert "data" not in output and len(rest) >= size
            part, rest = rest[:size], rest[size:]
            values = bytes_elements(part) if datatype == "BYTES" else list(struct.unpack("<%df" % count, part))
        assert len(values) == count, (output, values)
        outputs[output["name"]] = (datatype, shape, values)
    assert rest == b""
    assert (length is None) == (fields["content-type"] == "application/json")
    assert length is None or fields["content-type"] == "application/octet-stream"
    return outputs, head


def float32(values):
    return list(struct.unpack("<%df" % len(values), struct.pack("<%df" % len(values), *values)))


def create(name, inputs, classes):
    body = {"name": name, "input": {"shape": [inputs]}, "classes": classes, "scenario": "domain", "task": "all",
            "layers": [{"type": "dense", "units": 8, "activation": "relu"}]}
    status, _, data = call("POST", "/v2/models", json.dumps(body), {"Content-Type": "application/json"})
    assert status == 201, data


MNIST = "/v2/models/mnist/infer"


def golden_binary():
    head = (b'{"inputs":[{"name":"input","shape":[1,784],"datatype":"FP32","parameters":{"binary_data_size":3136}}],'
            b'"parameters":{"binary_data_output":true}}')
    assert len(head) == 143 and len(head + ROW) == 3279
    outputs, answer = infer_result(*infer(MNIST, head + ROW, 143))
    datatype, shape, values = outputs["probabilities"]
    assert (datatype, shape) == ("FP32", [1, 10]) and abs(sum(values) - 1) < 1e-5
    assert answer["model_name"] == "mnist" and answer["model_version"] == "1" and len(answer["id"]) > 8
    assert answer["parameters"]["ewcd_model_digest"].startswith("sha256:")
    return values


def golden_classification(values):
    head = (b'{"id":"42","inputs":[{"name":"input","shape":[1,784],"datatype":"FP32","parameters":{"binary_data_size":'
            b'3136}}],"outputs":[{"name":"probabilities","parameters":{"classification":3,"binary_data":true}}]}')
    assert len(head) == 202 and len(head + ROW) == 3338
    outputs, answer = infer_result(*infer(MNIST, head + ROW, 202))
    best = sorted(range(10), key=lambda i: (-values[i], i))[:3]
    want = ["%.6f:%d:c%d" % (values[i], i, i) for i in best]
    assert outputs["probabilities"] == ("BYTES", [1, 3], [text.encode() for text in want]), (outputs, want)
    assert answer["id"] == "42"
    head = head.replace(b'"binary_data":true', b'"binary_data":false')
    outputs, _ = infer_result(*infer(MNIST, head + ROW, len(head)))
    assert outputs["probabilities"] == ("BYTES", [1, 3], want), outputs


def golden_json():
    triton = (b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":[0.10000000149011612,0.5,1.0]}],'
              b'"outputs":[{"name":"probabilities","parameters":{"binary_data":false}}]}')
    kserve = (b'{"id":"0b3e7f5e-7d2a-4c63-9d3a-0f4f5a1c2b3d","model_name":"mnist","inputs":[{"name":"input","shape":'
              b'[1,3],"datatype":"FP32","data":[0.10000000149011612,0.5,1.0]}]}')
    first, _ = infer_result(*infer("/v2/models/small/infer", triton))
    second, answer = infer_result(*infer("/v2/models/small/infer", kserve, Content_Type="application/json"))
    assert first == second and answer["id"] == "0b3e7f5e-7d2a-4c63-9d3a-0f4f5a1c2b3d"
    return first["probabilities"][2]


def every_form(want):
    """JSON, binary, raw and mixed forms of one row, by every path to it: the same bits."""
    row = struct.pack("<3f", *SMALL)
    head = b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}}]}'
    text = b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":[[0.1,0.5,1]]}],"parameters":{' \
           b'"binary_data_output":true,"priority":1,"timeout":50000000}}'
    for version in ("", "/versions/1", "/versions/@champion", "/versions/%40champion"):
        path = "/v2/models/small%s/infer" % version
        for body, length in ((head + row, len(head)), (row, 0), (text, None), (text, len(text))):
            outputs, answer = infer_result(*infer(path, body, length))
            assert float32(outputs["probabilities"][2]) == float32(want), (path, length)
            assert answer["model_version"] == "1"
        assert infer(path, row, 0, Content_Type="application/octet-stream")[0]["content-type"] == \
            "application/octet-stream"
    rows = b'{"inputs":[{"name":"input","shape":[2,3],"datatype":"UINT8","parameters":{"binary_data_size":6}}]}'
    ints, _ = infer_result(*infer("/v2/models/small/infer", rows + bytes([1, 2, 3, 4, 5, 255]), len(rows)))
    flat, _ = infer_result(*infer("/v2/models/small/infer", b'{"inputs":[{"name":"input","shape":[2,3],"datatype":'
                                  b'"FP64","data":[1,2,3,4,5,255]}]}'))
    assert ints == flat and ints["probabilities"][1] == [2, 4]
    for datatype, size in SIZES.items():
        zeros = json.dumps({"inputs": [{"name": "input", "shape": [1, 3], "datatype": datatype,
                                        "parameters": {"binary_data_size": 3 * size}}]}).encode()
        infer_result(*infer("/v2/models/small/infer", zeros + bytes(3 * size), len(zeros)))


def errors():
    path = "/v2/models/small/infer"
    row = struct.pack("<3f", *SMALL)
    head = b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}}]}'
    refused(path, head + row + b"x", len(head), "unexpected additional input data")
    refused(path, head + row[:-1], len(head), "the body has 11 left")
    refused(path, head + row, len(head) + 13, "the body has")
    refused(path, head + row, "12x", "number of bytes")
    refused(path, head + row, "-1", "number of bytes")
    refused(path, row + b"x", 0, "one row of tensor 'input'")
    refused(path, head, None, "Inference-Header-Content-Length")
    bad = head.replace(b"FP32", b"BYTES")
    assert refused(path, bad + row, len(bad), "tensor 'input'")["errors"][0]["pointer"] == "/inputs/0/datatype"
    nan = struct.pack("<3f", 1, float("nan"), 0)
    refused(path, head + nan, len(head), "element 1")
    refused(path, b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"INT64","data":[1,2,16777217]}]}', None,
            "element 2 has more than the 24 significant bits")
    refused(path, b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}', None, "takes input")
    refused(path, b'{"inputs":[{"name":"input","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}', None, "shape")
    refused(path, b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"outputs":[{"name":'
                  b'"logits"}]}', None, "model small gives probabilities")
    refused("/v2/models/none/infer", head + row, len(head), "known: mnist, small", 404)
    refused("/v2/models/small/versions/9/infer", head + row, len(head), "version", 404)
    refused(path, gzip.compress(head + row), len(head), "ncoding", 415, Content_Encoding="gzip")


def around():
    server = get("/v2")
    assert server == get("/v2/") and server["name"] == "ewcd"
    for extension in ("binary_tensor_data", "classification", "model_repository", "statistics", "model_configuration",
                      "schedule_policy"):
        assert extension in server["extensions"]
    assert get("/v2/health/live") == {"live": True} and get("/v2/health/ready") == {"live": True, "ready": True}
    assert get("/v2/models") == {"models": ["mnist", "small"]}
    for path in ("/v2/models/small", "/v2/models/small/versions/1", "/v2/models/small/versions/%40champion"):
        meta = get(path)
        assert meta["name"] == "small" and meta["versions"] == ["1"] and meta["platform"] == "ewcd_v1"
        assert meta["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}]
        assert meta["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 4]}]
        assert get(path + "/ready") == {"name": "small", "ready": True}
        config = get(path + "/config")
        assert config["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": ["3"]}]
        assert config["max_batch_size"] == 128 and config["parameters"]["ewcd_champion"]["string_value"] == "1"
    status, _, data = call("POST", "/v2/models", b'{"name":"stats","input":{"shape":[3]},"classes":["a","b"],"scenario":'
                           b'"domain","task":"all","layers":[{"type":"dense","units":8,"activation":"relu"}]}')
    assert status == 400 and b"stats" in data, data


def repository():
    row = {"name": "small", "version": "1", "state": "READY", "reason": ""}
    for body in (b"", b"{}", b'{"ready":true}', b'{"ready":false}'):
        status, _, data = call("POST", "/v2/repository/index", body)
        index = json.loads(data)
        assert status == 200 and index == [dict(row, name="mnist"), row], data
    for body in (b"", b'{"parameters":{}}', b'{"parameters":{"unload_dependents":false}}'):
        status, _, data = call("POST", "/v2/repository/models/small/load", body)
        assert status == 200 and json.loads(data) == {"name": "small", "load": True}, data
    refused("/v2/repository/models/small/load", b'{"parameters":{"config":"{}"}}', None, "config")
    refused("/v2/repository/models/none/load", b"", None, "known: mnist, small", 404)
    refused("/v2/repository/models/small/unload", b"", None, "champion", 409)
    refused("/v2/repository/models/none/unload", b"", None, "known: mnist, small", 404)
    infer_result(*infer("/v2/models/small/infer", struct.pack("<3f", *SMALL), 0))


def statistics():
    (before,) = get("/v2/models/small/stats")["model_stats"]
    row = struct.pack("<3f", *SMALL)
    for _ in range(5):
        infer("/v2/models/small/infer", row, 0)
    two = b'{"inputs":[{"name":"input","shape":[2,3],"datatype":"FP32","data":[1,2,3,4,5,6]}]}'
    infer("/v2/models/small/infer", two)
    infer("/v2/models/small/infer", row + b"x", 0, 400)
    (after,) = get("/v2/models/small/versions/1/stats")["model_stats"]
    assert after["name"] == "small" and after["version"] == "1" and after["last_inference"] > 1500000000000
    assert after["inference_count"] - before["inference_count"] == 7
    assert after["execution_count"] - before["execution_count"] == 6
    grown = {key: after["inference_stats"][key]["count"] - before["inference_stats"][key]["count"]
             for key in after["inference_stats"]}
    assert grown == {"success": 6, "fail": 1, "queue": 6, "compute_input": 6, "compute_infer": 6, "compute_output": 6,
                     "cache_hit": 0, "cache_miss": 0}, grown
    stages = sum(after["inference_stats"][key]["ns"] for key in ("queue", "compute_input", "compute_infer",
                                                                 "compute_output"))
    assert stages == after["inference_stats"]["success"]["ns"] > 0
    sizes = {batch["batch_size"]: batch["compute_infer"]["count"] for batch in after["batch_stats"]}
    assert sum(sizes.values()) == after["execution_count"] and sizes[2] >= 2
    everything = get("/v2/models/stats")["model_stats"]
    assert [one["name"] for one in everything] == ["mnist", "small"] and everything[1] == after


def timing():
    row = struct.pack("<3f", *SMALL)
    assert "server-timing" not in infer("/v2/models/small/infer", row, 0)[0]
    text = infer("/v2/models/small/infer", row, 0, Ewcd_Timing="1")[0]["server-timing"]
    assert [part.split(";")[0].strip() for part in text.split(",")] == ["queue", "input", "infer", "output"], text
    assert all(0 <= float(part.split("dur=")[1]) < 60000 for part in text.split(","))


create("mnist", 784, ["c%d" % i for i in range(10)])
create("small", 3, ["a", "b", "c", "d"])
golden_classification(golden_binary())
every_form(golden_json())
errors()
around()
repository()
statistics()
timing()
