#include "broker/redis_scripts.h"

namespace drover::broker {

namespace {

// An error behind the first entry is not raised, or what was delivered before it would be lost
// until somebody reclaims it.
constexpr std::string_view kTake = R"lua(
local lanes = #KEYS / 4
local n = tonumber(ARGV[4])
local none = {}
local taken = {}
for _ = 1, tonumber(ARGV[3]) do
  local first = 1
  if n % 16 == 15 then first = 4 elseif n % 8 == 7 then first = 3 elseif n % 4 == 3 then first = 2 end
  local found = nil
  for step = 0, 4 do
    local level = step == 0 and first or step
    for lane = 0, lanes - 1 do
      local key = KEYS[((lane + n) % lanes) * 4 + level]
      if not none[key] then
        local reply = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1,
                                  'STREAMS', key, '>')
        if reply and reply.err then
          if #taken == 0 then return reply end
          return taken
        end
        if reply then
          found = {key, reply[1][2][1]}
          break
        end
        none[key] = true
      end
    end
    if found then break end
  end
  if not found then break end
  taken[#taken + 1] = found
  n = n + 1
end
return taken
)lua";

constexpr std::string_view kHandBack = R"lua(
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if #entry == 0 then return false end
local id = redis.call('XADD', KEYS[1], '*', unpack(entry[1][2]))
redis.call('XDEL', KEYS[1], ARGV[2])
return id
)lua";

constexpr std::string_view kAppend = R"lua(
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local have = 0
if #last > 0 then have = tonumber(string.match(last[1][1], '^%d+')) end
if have < tonumber(ARGV[1]) then return have end
for i = 4, #ARGV, 2 do
  local seq = tonumber(ARGV[i])
  if seq > have then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[i] .. '-0', 'event', ARGV[i + 1])
    if KEYS[2] then
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'event', ARGV[i + 1])
    end
    have = seq
  end
end
if #ARGV > 3 then
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[3]) end
end
return have
)lua";

// Entries of `:in` are deleted one by one, which keeps its ids rising for a program that waits
// behind the last one that it has seen.
constexpr std::string_view kOfferTurn = R"lua(
local entries = redis.call('XRANGE', KEYS[1], '-', '+')
if #entries > 0 and entries[1][2][2] == ARGV[1] then return 1 end
if ARGV[4] == 'taken' then return 0 end
for _, entry in ipairs(entries) do redis.call('XDEL', KEYS[1], entry[1]) end
redis.call('DEL', KEYS[2])
local added = redis.pcall('XADD', KEYS[1], ARGV[2], 'turn', ARGV[1])
if type(added) == 'table' and added.err then
  redis.call('XADD', KEYS[1], '*', 'turn', ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 0
)lua";

// Entry by entry, so that no more than one large one is in the memory of the script.
constexpr std::string_view kReadUnit = R"lua(
local from = '-'
if ARGV[1] ~= '' then
  from = '(' .. ARGV[1]
  while true do
    local old = redis.call('XRANGE', KEYS[1], '-', ARGV[1], 'COUNT', 1)
    if #old == 0 then break end
    redis.call('XDEL', KEYS[1], old[1][1])
  end
end
local reply = {redis.call('XLEN', KEYS[1])}
local bytes = 0
for _ = 1, tonumber(ARGV[2]) do
  local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  if not entry then break end
  local event = nil
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'event' then event = entry[2][i + 1] break end
  end
  local size = event and #event or -1
  if size > tonumber(ARGV[3]) then event = '' end
  bytes = bytes + #(event or '')
  if #reply > 1 and bytes > tonumber(ARGV[4]) then break end
  reply[#reply + 1] = {entry[1], size, event or ''}
  from = '(' .. entry[1]
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return reply
)lua";

}  // namespace

redis::Script const& take_script() {
  static redis::Script const script{kTake};
  return script;
}

redis::Script const& hand_back_script() {
  static redis::Script const script{kHandBack};
  return script;
}

redis::Script const& append_script() {
  static redis::Script const script{kAppend};
  return script;
}

redis::Script const& offer_turn_script() {
  static redis::Script const script{kOfferTurn};
  return script;
}

redis::Script const& read_unit_script() {
  static redis::Script const script{kReadUnit};
  return script;
}

}  // namespace drover::broker
