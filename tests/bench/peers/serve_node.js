// onnxruntime-node behind Node's own HTTP server, one thread, the same JSON in and out.
//   serve_node.js PORT MODEL.onnx          found with NODE_PATH
'use strict';
const http = require('http');
const ort = require('onnxruntime-node');

async function main() {
  const options = {intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential'};
  const session = await ort.InferenceSession.create(process.argv[3], options);
  const output = session.outputNames[0];
  http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', async () => {
      const tensor = JSON.parse(Buffer.concat(parts)).inputs[0];
      const rows = tensor.shape[0];
      const input = new ort.Tensor('float32', Float32Array.from(tensor.data), [rows, tensor.data.length / rows]);
      const result = (await session.run({input}))[output];
      const body = JSON.stringify({model_name: 'm', outputs: [{name: 'probabilities', datatype: 'FP32',
        shape: result.dims, data: Array.from(result.data)}]});
      response.writeHead(200, {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body)});
      response.end(body);
    });
  }).listen(Number(process.argv[2]), '127.0.0.1');
}

main();
