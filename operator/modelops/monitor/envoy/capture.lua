-- Copies the bodies of a request and of its answer beside it, for the access log to carry to the monitor. It runs only
-- on routes that say so. Bodies pass on as they come, in pieces: nothing here holds them, changes them or waits.

local SPACE = "modelops.capture"
local MOST_BYTES = 65536

local function header(headers, name)
  return headers:get(name) or ""
end

-- Of a known and small length, and as they were written: no stream, nothing compressed.
local function can_be_copied(headers)
  local length = tonumber(header(headers, "content-length"))
  return length ~= nil and length > 0 and length <= MOST_BYTES
    and header(headers, "content-encoding") == ""
    and not header(headers, "content-type"):find("text/event-stream", 1, true)
end

local function copy(handle, name)
  local pieces, bytes = {}, 0
  for piece in handle:bodyChunks() do
    local length = piece:length()
    bytes = bytes + length
    if length > 0 and bytes <= MOST_BYTES then
      pieces[#pieces + 1] = piece:getBytes(0, length)
    end
  end
  if bytes <= MOST_BYTES then
    local body = table.concat(pieces)
    local metadata = handle:streamInfo():dynamicMetadata()
    if body:find("[%z\128-\255]") then
      metadata:set(SPACE, name .. "_base64", handle:base64Escape(body))
    else
      metadata:set(SPACE, name, body)
    end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if header(headers, ":method") ~= "POST" then
    return
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set(SPACE, "kept", true)
  local tolerance = handle:filterContext():get("tolerance")
  if tolerance then
    metadata:set(SPACE, "tolerance", tolerance)
  end
  if can_be_copied(headers) then
    copy(handle, "request")
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local kept = handle:streamInfo():dynamicMetadata():get(SPACE)
  if kept and header(headers, ":status"):sub(1, 1) == "2" and can_be_copied(headers) then
    copy(handle, "response")
  end
end
