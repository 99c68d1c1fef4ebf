-- Asks with the method, body size and fields of the environment. COUNTING=1 makes each header block another one.
local fields = {}
for name, value in string.gmatch(os.getenv("FIELDS") or "", "([^:\n]+): ([^\n]+)") do
  fields[name] = value
end
local method = os.getenv("METHOD") or "GET"
local size = tonumber(os.getenv("BODY_BYTES") or "0")
local body = size > 0 and string.rep("x", size) or nil
local counting = os.getenv("COUNTING") == "1"
local count = 0
local prepared

init = function()
  prepared = wrk.format(method, nil, fields, body)
end

request = function()
  if not counting then
    return prepared
  end
  count = count + 1
  fields["X-Count"] = count
  return wrk.format(method, nil, fields, body)
end

local threads = {}
bad = 0
setup = function(thread)
  table.insert(threads, thread)
end

response = function(status)
  if status ~= 200 then
    bad = bad + 1
  end
end

done = function(summary, latency)
  local total = 0
  for _, thread in ipairs(threads) do
    total = total + thread:get("bad")
  end
  local errors = summary.errors
  io.write(string.format('{"requests": %d, "microseconds": %d, "bad": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, total + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
