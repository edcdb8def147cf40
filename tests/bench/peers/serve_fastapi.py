"""The usual Python service: FastAPI and PyTorch behind uvicorn, one worker, one thread, the same JSON in and out.

  serve_fastapi.py PORT WEIGHTS           WEIGHTS as serve_weights.py wrote them, without the suffix
"""
import json
import sys

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request

port, weights = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
theta = torch.from_numpy(np.fromfile(weights + ".bin", "<f4"))
spec = json.load(open(weights + ".json"))


def build():
    parts, image = [], False
    for row in spec["layers"]:
        h, w, c = row["in"]
        if row["type"] in ("conv", "max_pool") and not image:
            parts.append(lambda x, h=h, w=w, c=c: x.reshape(-1, h, w, c).permute(0, 3, 1, 2))
            image = True
        if row["type"] == "conv":
            k = row["kernel"]
            weight = theta[row["w"]:row["b"]].reshape(row["units"], k, k, c).permute(0, 3, 1, 2).contiguous()
            bias, stride, pad = theta[row["b"]:row["b"] + row["units"]], row["stride"], row["padding"]
            parts.append(lambda x, a=(weight, bias, stride, pad): torch.nn.functional.conv2d(x, *a))
        elif row["type"] == "max_pool":
            parts.append(lambda x, k=row["kernel"], s=row["stride"]: torch.nn.functional.max_pool2d(x, k, s))
        elif row["type"] == "dense":
            if image:
                parts.append(lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1))
                image = False
            weight = theta[row["w"]:row["b"]].reshape(row["units"], row["cols"])
            bias = theta[row["b"]:row["b"] + row["units"]]
            parts.append(lambda x, weight=weight, bias=bias: torch.nn.functional.linear(x, weight, bias))
        if row["activation"] == "relu":
            parts.append(torch.relu)
    return parts


net = build()
app = FastAPI()


@app.post("/v2/models/m/infer")
async def infer(request: Request):
    tensor = (await request.json())["inputs"][0]
    x = torch.tensor(tensor["data"], dtype=torch.float32).reshape(tensor["shape"][0], -1)
    with torch.inference_mode():
        for part in net:
            x = part(x)
        x = torch.softmax(x, 1)
    return {"model_name": "m", "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": list(x.shape),
                                            "data": x.flatten().tolist()}]}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
