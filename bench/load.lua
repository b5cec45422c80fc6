-- Sends the requests of the file named by the first argument, and compares every response with the expected one.
--
-- With several different requests, wrk runs as many threads as connections. Each thread then has one connection, and a
-- response belongs to the last request of its thread.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

-- The connections divide the requests, and each repeats its part.
function init(args)
  local work = dofile(args[1])
  requests, wants, at, wrong, sample = {}, {}, 0, 0, ""
  for i = 1, math.max(1, math.floor(#work.requests / work.connections)) do
    local r = work.requests[(number + (i - 1) * work.connections) % #work.requests + 1]
    local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. r.token }
    requests[i], wants[i] = wrk.format("POST", nil, headers, work.body), r.want
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function response(status, _, body)
  if status ~= 200 or body ~= wants[at] then
    wrong = wrong + 1
    sample = status .. " " .. body
  end
end

function done(summary, latency)
  local wrong, sample = 0, ""
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    if thread:get("sample") ~= "" then sample = thread:get("sample") end
  end
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d %d %d %s", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    wrong, e.connect + e.read + e.write + e.timeout, sample))
end
