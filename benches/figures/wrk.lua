-- One request, again and again, read from files: `wrk -s wrk.lua URL -- HEADERS BODY`.
-- HEADERS has a header a line, "name: value". At the end one line of JSON, which the bench parses;
-- times in microseconds.

function init(args)
    for line in io.lines(args[1]) do
        local name, value = line:match("^([^:]+): (.*)$")
        wrk.headers[name] = value
    end
    local file = assert(io.open(args[2], "rb"))
    wrk.body = file:read("*a")
    file:close()
    -- Nothing to say is a question.
    wrk.method = wrk.body == "" and "GET" or "POST"
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
