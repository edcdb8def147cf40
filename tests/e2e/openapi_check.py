#!/usr/bin/env python3
"""Whether a running daemon's answers are what its own document promises, and the document is one.

openapi_check.py PORT. Every operation of /openapi.json is called at least once and the answer judged by
python3-jsonschema; so are answers that refuse. Exit status 0: all held.
"""

import http.client
import json
import os
import re
import subprocess
import sys

from jsonschema import Draft202012Validator

PORT = int(sys.argv[1])
JSON = "application/json"
called = set()
etag = ""


def request(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request(method, path, data, dict({"Content-Type": JSON}, **(headers or {})))
    answer = connection.getresponse()
    text = answer.read()
    fields = {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return answer.status, fields, text


document = json.loads(request("GET", "/openapi.json")[2])
components = document["components"]


def resolve(node):
    while "$ref" in node:
        parts = node["$ref"].split("/")
        assert parts[0] == "#", node
        node = document
        for part in parts[1:]:
            node = node[part]
    return node


def check_document():
    Draft202012Validator.check_schema(components["schemas"])
    assert document["openapi"] == "3.1.0"
    for reference in re.findall(r'"\$ref":"([^"]+)"', json.dumps(document, separators=(",", ":"))):
        resolve({"$ref": reference})
    names = []
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            names.append(operation["operationId"])
            assert operation["summary"] and "default" in operation["responses"], (path, verb)
            given = [resolve(one) for one in operation["parameters"]]
            assert re.findall(r"{(\w+)}", path) == [one["name"] for one in given if one["in"] == "path"], path
            good = [code for code in operation["responses"] if code != "default"]
            assert len(good) == 1 and "content" in operation["responses"][good[0]], (path, verb)
    assert len(names) == len(set(names))
    for name, schema in components["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert '"#/components/schemas/%s"' % name in json.dumps(document), "schema %s is used nowhere" % name


def judge(content, fields, text, what):
    kind = fields["content-type"].split(";")[0]
    assert kind in content, (what, kind)
    value = json.loads(text) if kind == JSON else text.decode()
    schema = dict(content[kind]["schema"], components=components)
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
    assert not errors, (what, errors, value)
    return value


def call(method, pattern, arguments=(), body=None, headers=None, query="", refusal=None):
    global etag
    path = pattern
    for argument in arguments:
        path = re.sub(r"{\w+}", argument, path, count=1)
    operation = document["paths"][pattern][method]
    status, fields, text = request(method.upper(), path + query, body, headers)
    what = "%s %s: %d %s" % (method, path, status, text[:400])
    if body is not None and refusal is None and not isinstance(body, bytes):
        content = operation["requestBody"]["content"]
        judge(content, {"content-type": JSON}, json.dumps(body).encode(), "the request of " + what)
    if refusal is not None:
        assert status == refusal, what
        problem = judge(resolve(operation["responses"]["default"])["content"], fields, text, what)
        assert problem["status"] == status, what
        if method == "post" and pattern.endswith("/unload"):
            called.add((method, pattern))
        return problem
    (good,) = [code for code in operation["responses"] if code != "default"]
    assert str(status) == good, what
    called.add((method, pattern))
    etag = fields.get("etag", "")
    return judge(operation["responses"][good]["content"], fields, text, what)


M = "/v2/models/{m}"
V = "/v2/models/{m}/versions/{v}"
model = {"name": "m", "input": {"shape": [2]}, "classes": ["a", "b", "c"], "scenario": "task", "task": "one",
         "task_classes": ["a", "b"], "layers": [{"type": "dense", "units": 8, "activation": "relu"}],
         "learning": {"trigger": {"min_feedback": 0}, "epochs": 2}}


def events(first, labels):
    return {"events": [{"event_id": "e%d" % i, "inputs": [i % 7 / 7, i % 3], "label": labels[i % 2]}
                       for i in range(first, first + 60)]}


def finish(job, name="m"):
    watch = [os.environ["EWCCTL_BIN"], "--url", "http://127.0.0.1:%d" % PORT, "job", "watch", name, str(job["id"])]
    subprocess.run(watch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=False)
    row = call("get", M + "/jobs/{id}", [name, str(job["id"])])
    assert row["state"] in ("promoted", "rejected", "cancelled", "failed", "candidate", "verified"), row
    return row


def plain():
    for path in ("/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/healthz", "/readyz", "/metrics",
                 "/openapi.json"):
        call("get", path)


def labels():
    pair = call("post", M + "/predict", ["m"], {"inputs": [[0.1, 0.2], [0.3, 0.4]]})["predictions"]
    named = [{"prediction_id": one["id"], "label": "a", "source": "q a"} for one in pair]
    assert call("post", M + "/feedback", ["m"], {"events": named})["accepted"] == 2
    assert call("get", M + "/feedback/{id}", ["m", pair[0]["id"]])["prediction"]["version"] == "1"
    call("get", M + "/sources", ["m"])
    call("delete", M + "/feedback/{id}", ["m", pair[0]["id"]])
    call("delete", M + "/feedback/{id}", ["m", "nobody"], refusal=404)
    call("delete", M + "/feedback", ["m"], query="?source=q%20a")
    call("delete", M + "/feedback", ["m"], refusal=400)
    call("post", M + "/sources/{s}/unlearn", ["m", "q%20a"])
    call("post", M + "/sources/{s}/unlearn", ["m", "nobody"], refusal=404)
    wary = dict(model, name="wary", scenario="domain",
                learning=dict(model["learning"], feedback={"quarantine_confidence": 0}))
    del wary["task_classes"]
    call("post", "/v2/models", body=wary)
    one = call("post", M + "/predict", ["wary"], {"inputs": [[0.1, 0.2]]})["predictions"][0]
    other = {"prediction_id": one["id"], "label": "b" if one["label"] == "a" else "a"}
    assert call("post", M + "/feedback", ["wary"], {"events": [other]})["quarantined"] == 1
    call("post", M + "/feedback/{id}/release", ["wary", one["id"]], {"accept": True})
    call("post", M + "/feedback/{id}/release", ["wary", one["id"]], {"accept": True}, refusal=404)
    # over TCP a trusted row is refused, which is all that can be said of it here
    call("post", M + "/tasks/{t}/holdout", ["m", "one"], events(0, "ab"), refusal=403)
    called.add(("post", M + "/tasks/{t}/holdout"))


def model_life():
    call("post", "/v2/models", body=model)
    call("post", "/v2/models", body=model, refusal=409)
    call("post", "/v2/models", body={"name": "x", "wrong": 1}, refusal=400)
    call("get", "/v2/models")
    call("get", M, ["m"])
    call("get", M, ["none"], refusal=404)
    receipt = call("post", M + "/feedback", ["m"], events(0, "ab"))
    assert receipt["accepted"] == 60
    call("post", M + "/feedback", ["m"], {"events": [{"inputs": [1, 2], "label": "zzz"}]}, refusal=422)
    call("get", M + "/feedback/{id}", ["m", "e1"])
    call("get", M + "/feedback/{id}", ["m", "nobody"], refusal=404)
    labels()
    finish(call("post", M + "/jobs", ["m"], {"kind": "consolidate"}))
    finish(call("post", M + "/tasks", ["m"], {"task": "two", "classes": ["b", "c"]}))
    call("post", M + "/feedback", ["m"], events(100, "bc"))
    job = call("post", M + "/jobs", ["m"], {"kind": "consolidate"})
    finish(call("delete", M + "/jobs/{id}", ["m", str(job["id"])]))
    call("delete", M + "/jobs/{id}", ["m", str(job["id"])], refusal=409)
    call("get", M + "/jobs", ["m"], query="?limit=2")
    call("get", M + "/tasks", ["m"])
    call("get", "/v2/status")


def must(job, state):
    row = finish(job, "open")
    assert row["state"] == state, row


def decisions():
    """A model whose gate lets everything pass: what was judged, where versions came from, what protects a task."""
    call("post", "/v2/models", body=dict(model, name="open", learning=dict(
        model["learning"], gate={"max_forgetting": 1, "min_gain": -1, "confidence": 0})))
    call("post", M + "/feedback", ["open"], events(0, "ab"))
    must(call("post", M + "/jobs", ["open"], {"kind": "consolidate", "dry_run": True}), "candidate")
    must(call("post", M + "/tasks", ["open"], {"task": "two", "classes": ["b", "c"]}), "promoted")
    call("post", M + "/feedback", ["open"], events(100, "bc"))
    must(call("post", M + "/jobs", ["open"], {"kind": "consolidate"}), "promoted")
    must(call("post", M + "/tasks", ["open"], {"task": "three", "classes": ["a", "c"]}), "promoted")
    gate = call("get", V + "/gate", ["open", "@champion"])["gate"]
    assert gate["verdict"] == "promoted" and {"one", "two"} <= {row["task"] for row in gate["tasks"]}, gate
    assert all(check["passed"] for check in gate["checks"]) and gate["checks"], gate
    call("get", V + "/gate", ["open", "2"])
    call("get", V + "/gate", ["open", "1"], refusal=404)
    line = call("get", V + "/lineage", ["open", "@champion"])["lineage"]
    assert [row["version"] for row in line] == ["5", "4", "3", "1"], line
    assert line[0]["trigger"] == "manual" and line[-1]["trigger"] is None, line
    call("get", V + "/lineage", ["open", "99"], refusal=404)
    diff = call("get", V + "/diff/{w}", ["open", "3", "5"])
    assert diff["total"]["n"] == sum(layer["n"] for layer in diff["layers"]), diff
    assert call("get", V + "/diff/{w}", ["open", "1", "1"])["total"]["n_changed"] == 0
    call("get", V + "/diff/{w}", ["open", "1", "99"], refusal=404)
    fisher = call("get", M + "/tasks/{t}/fisher", ["open", "one"])
    assert [row["task"] for row in fisher["overlaps"]] == ["two"], fisher
    assert 0 < fisher["overlaps"][0]["similarity"] < 1, fisher
    assert abs(sum(layer["share"] for layer in fisher["layers"]) - 1) < 1e-6, fisher
    for layer in fisher["layers"]:
        assert sum(layer["histogram"]) + layer["n_zero"] == layer["n"], layer
    call("get", M + "/tasks/{t}/fisher", ["open", "three"], refusal=409)
    call("get", M + "/tasks/{t}/fisher", ["open", "none"], refusal=404)
    must(call("put", M + "/tasks/{t}/alpha", ["open", "one"], {"alpha": 0.5}), "promoted")
    assert call("get", M + "/tasks/{t}/fisher", ["open", "one"])["alpha"] == 0.5
    call("put", M + "/tasks/{t}/alpha", ["open", "one"], {"alpha": -1}, refusal=400)
    call("put", M + "/tasks/{t}/alpha", ["open", "three"], {"alpha": 1}, refusal=409)
    must(call("post", V + "/rebuild", ["open", "4"]), "verified")
    call("post", V + "/rebuild", ["open", "1"], refusal=409)
    assert call("post", M + "/versions/prune", ["open"], {"keep": 1})["pruned"] > 0
    assert any(row["pruned"] for row in call("get", M + "/versions", ["open"])["versions"])
    call("post", M + "/versions/prune", ["open"], {"keep": "all"}, refusal=400)
    call("get", V + "/diff/{w}", ["open", "2", "5"], refusal=409)


def versions():
    call("get", M + "/versions", ["m"], query="?limit=1")
    call("get", M + "/versions", ["m"])
    for path in (V, V + "/ready", V + "/config", V + "/stats"):
        for version in ("1", "@champion"):
            call("get", path, ["m", version])
        call("get", path, ["m", "99"], refusal=404)
    call("get", M + "/aliases", ["m"])
    call("get", M + "/aliases/{a}", ["m", "champion"])
    seen = etag
    call("put", M + "/aliases/{a}", ["m", "champion"], {"version": "1"}, refusal=428)
    call("put", M + "/aliases/{a}", ["m", "champion"], {"version": "1"}, {"If-Match": '"0"'}, refusal=412)
    call("put", M + "/aliases/{a}", ["m", "champion"], {"version": "1", "reason": "test"}, {"If-Match": seen})
    call("put", M + "/aliases/{a}", ["m", "mine"], {"version": "1"}, {"If-Match": '"0"'})
    call("delete", M + "/aliases/{a}", ["m", "mine"], None, refusal=428)
    call("delete", M + "/aliases/{a}", ["m", "mine"], None, {"If-Match": "*"})
    call("delete", M + "/aliases/{a}", ["m", "mine"], None, {"If-Match": '"0"'}, refusal=404)


def predictions():
    tensor = {"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]}
    body = {"id": "x", "inputs": [tensor], "parameters": {"ewcd_task": "one", "priority": 1}}
    for path in (M, V):
        arguments = ["m"] if path == M else ["m", "@champion"]
        call("post", path + "/infer", arguments, body)
        call("post", path + "/infer", arguments, dict(body, outputs=[
            {"name": "probabilities", "parameters": {"classification": 1, "binary_data": False}}]))
        call("post", path + "/infer", arguments, {"inputs": []}, refusal=400)
        call("post", path + "/infer", arguments, b"{", refusal=400)
        call("post", path + "/predict", arguments, {"inputs": [[0.5, 1]], "task": "one", "top_k": 1})
        call("post", path + "/predict", arguments, {"inputs": "x"}, refusal=400)
    for path in ("/ready", "/config", "/stats"):
        call("get", M + path, ["m"])
    call("get", "/v2/models/stats")
    index = call("post", "/v2/repository/index", body={"ready": True})
    assert index and all(row["state"] == "READY" for row in index)
    call("post", "/v2/repository/index", body={"ready": 1}, refusal=400)
    call("post", "/v2/repository/models/{m}/load", ["m"], {"parameters": {}})
    call("post", "/v2/repository/models/{m}/unload", ["m"], {"parameters": {}}, refusal=409)


check_document()
plain()
model_life()
decisions()
versions()
predictions()
operations = {(verb, path) for path, item in document["paths"].items() for verb in item}
assert called == operations, "never called: %s" % sorted(operations - called)
