-- wrk's side of serve.sh: the body and type of every request from the environment, one line of results.
local file = assert(io.open(os.getenv("SERVE_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = os.getenv("SERVE_TYPE")
wrk.headers["Inference-Header-Content-Length"] = os.getenv("SERVE_JSON_BYTES")

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %.0f %.0f %.0f %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
