-- Copies the bodies of a request and its response into the request's metadata, for the access log to send to the
-- monitor. Runs only on routes that enable it. Bodies are streamed: they are not buffered, changed or delayed here.

local NAMESPACE = "modelops.capture"
local MIRRORED_HEADER = "x-modelops-mirrored"
local MAX_BYTES = 65536

local function header(headers, name)
  return headers:get(name) or ""
end

-- A body is captured if its length is known and small, and if it is neither an event stream nor compressed.
local function can_be_captured(headers)
  local length = tonumber(header(headers, "content-length"))
  return length ~= nil and length > 0 and length <= MAX_BYTES
    and header(headers, "content-encoding") == ""
    and not header(headers, "content-type"):find("text/event-stream", 1, true)
end

local function capture(handle, name)
  local chunks, bytes = {}, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    bytes = bytes + length
    if length > 0 and bytes <= MAX_BYTES then
      chunks[#chunks + 1] = chunk:getBytes(0, length)
    end
  end
  if bytes <= MAX_BYTES then
    local body = table.concat(chunks)
    local metadata = handle:streamInfo():dynamicMetadata()
    if body:find("[%z\128-\255]") then
      metadata:set(NAMESPACE, name .. "_base64", handle:base64Escape(body))
    else
      metadata:set(NAMESPACE, name, body)
    end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if header(headers, ":method") ~= "POST" then
    return
  end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set(NAMESPACE, "kept", true)
  local context = handle:filterContext()
  local tolerance = context:get("tolerance")
  if tolerance then
    metadata:set(NAMESPACE, "tolerance", tolerance)
  end
  -- The route knows that another Pod mirrored the request: a client can send the same header, without the token.
  if context:get("mirrored") then
    metadata:set(NAMESPACE, "mirrored", true)
    local address = header(headers, MIRRORED_HEADER):match("^%x+ ([%x.:]+)$")
    if address then
      metadata:set(NAMESPACE, "mirrored_by", address)
    end
  end
  if can_be_captured(headers) then
    capture(handle, "request")
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local kept = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  if kept and header(headers, ":status"):sub(1, 1) == "2" and can_be_captured(headers) then
    capture(handle, "response")
  end
end
