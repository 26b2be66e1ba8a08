"""The steps that Redis has to take as one: Lua, run by the server between two other commands.

In: a script's keys (all of one hash slot) and arguments. Out: what each script's comment says. A script whose first
write is one that frees memory may finish when ``maxmemory`` is reached: Redis refuses memory only to a script that has
not written yet. So consuming a frame, publishing an alert and burying a bad message go through on a full server, while
new frames do not.
Next file: ``pipeline/bus/redis.py``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["ACQUIRE", "ASK", "BURY", "EXCHANGE", "FINISH", "PUBLISH", "RELEASE", "SAVE", "TAKE", "Script"]


@dataclass(frozen=True, slots=True)
class Script:
    """Lua text and the SHA-1 by which a server that knows it is asked for it."""

    text: str
    sha1: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha1", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


EXCHANGE = Script("""
-- KEYS: the record of the last exchange, then streams. ARGV: token ('' for none), number of consumed,
-- {stream, id} of each, then {stream, bound, number of words, words...} of each produced.
-- Returns how many old entries were dropped to make room. Repeating the last exchange adds nothing.
local is_repeated = ARGV[1] ~= '' and redis.call('GET', KEYS[1]) == ARGV[1]
local at = 3
for _ = 1, tonumber(ARGV[2]) do
  redis.call('XDEL', KEYS[tonumber(ARGV[at])], ARGV[at + 1])
  at = at + 2
end
local dropped = 0
if is_repeated then return dropped end
while at <= #ARGV do
  local stream, bound, words = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  dropped = dropped + math.max(0, redis.call('XLEN', stream) + 1 - bound)
  redis.call('XADD', stream, 'MAXLEN', '=', bound, '*', unpack(ARGV, at + 3, at + 2 + words))
  at = at + 3 + words
end
if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1]) end
return dropped
""")

PUBLISH = Script("""
-- KEYS: alerts, revisions. ARGV: revision, bound of alerts, bound of revisions, channel, JSON, words of the entry...
-- Returns 1, or 0 when this revision was published before.
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[2])
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 6))
redis.call('ZADD', KEYS[2], tonumber(string.match(id, '^%d+')), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -(tonumber(ARGV[3]) + 1))
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
""")

BURY = Script("""
-- KEYS: dead. ARGV: bound, words of the entry... Returns 1.
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[1])
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
return 1
""")

ACQUIRE = Script("""
-- KEYS: lease. ARGV: owner, milliseconds. Returns 1 when the lease is now ours.
local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if owner then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

RELEASE = Script("""
-- KEYS: lease. ARGV: owner. Deletes the lease when it is ours.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")

SAVE = Script("""
-- KEYS: lease, state. ARGV: owner, state. Returns 1, or 0 when the lease is not the owner's any more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
""")

ASK = Script("""
-- KEYS: waiting, text, tries, asked. ARGV: request, urgency, text, bound of waiting, bound of asked.
-- Returns whether it was new, then the requests that made room; the one that asks may be among them.
if redis.call('ZSCORE', KEYS[4], ARGV[1]) then return {0} end
local now = redis.call('TIME')
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -tonumber(ARGV[5]))
redis.call('ZADD', KEYS[4], tonumber(now[1]), ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. '\\n' .. ARGV[3])
local answer = {1}
while redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[4]) do
  local least = redis.call('ZPOPMIN', KEYS[1])[1]
  redis.call('HDEL', KEYS[2], least)
  redis.call('HDEL', KEYS[3], least)
  answer[#answer + 1] = least
end
return answer
""")

TAKE = Script("""
-- KEYS: waiting, taken, text, tries. ARGV: how many, milliseconds until they are given to somebody else, most tries.
-- Returns the requests given up, then {request, text} of each taken, most urgent first.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local given_up, taken = {}, {}
for _, request in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('ZREM', KEYS[2], request)
  local text = redis.call('HGET', KEYS[3], request)
  if not text or tonumber(redis.call('HGET', KEYS[4], request) or '0') >= tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[3], request)
    redis.call('HDEL', KEYS[4], request)
    given_up[#given_up + 1] = request
  else
    redis.call('ZADD', KEYS[1], string.match(text, '^[^\\n]*'), request)
  end
end
local most_urgent = redis.call('ZPOPMAX', KEYS[1], ARGV[1])
for at = 1, #most_urgent, 2 do
  local request = most_urgent[at]
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), request)
  redis.call('HINCRBY', KEYS[4], request, 1)
  local text = redis.call('HGET', KEYS[3], request) or '\\n'
  taken[#taken + 1] = {request, string.sub(text, string.find(text, '\\n') + 1)}
end
return {given_up, taken}
""")

FINISH = Script("""
-- KEYS: waiting, taken, text, tries. ARGV: request. Returns 1 when it was waiting or taken.
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return math.min(1, redis.call('ZREM', KEYS[2], ARGV[1]) + redis.call('ZREM', KEYS[1], ARGV[1]))
""")
