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

}  // namespace drover::broker
