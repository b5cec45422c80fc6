-- Asks what the file that is the first argument says, and compares every answer with the one it has to be.
--
-- If there are several who ask, wrk is run with as many threads as connections: a thread has one connection then, and an
-- answer is the one to the request that its thread has sent last.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

-- The connections share out those who ask, and each goes round in its share.
function init(args)
  local work = dofile(args[1])
  requests, wants, at, wrong, sample = {}, {}, 0, 0, ""
  for i = 1, math.max(1, math.floor(#work.asks / work.connections)) do
    local ask = work.asks[(number + (i - 1) * work.connections) % #work.asks + 1]
    local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. ask.token }
    requests[i], wants[i] = wrk.format("POST", nil, headers, work.body), ask.want
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
