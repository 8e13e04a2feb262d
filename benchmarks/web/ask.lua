-- wrk's requests: each from another client's address, so that no limit is met (S3.2), and at the end one line of JSON.
-- Arguments: the method and a folder of the files `body` and `cookie`, which may be empty.
local method, body, cookie

local function content(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

function init(arguments)
    method, body, cookie = arguments[1], content(arguments[2] .. "/body"), content(arguments[2] .. "/cookie")
    math.randomseed(os.time())
end

function request()
    local address = string.format("10.%d.%d.%d", math.random(0, 255), math.random(0, 255), math.random(1, 254))
    local headers = { ["X-Forwarded-For"] = address, ["X-Forwarded-Proto"] = "https" }
    if cookie ~= "" then headers["Cookie"] = cookie end
    if body ~= "" then headers["Content-Type"] = "application/json" end
    return wrk.format(method, nil, headers, body ~= "" and body or nil)
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p95": %d, "p99": %d}\n',
        summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
