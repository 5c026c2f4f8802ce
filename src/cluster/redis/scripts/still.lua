-- KEYS[1] the beats (see beat.lua). ARGV: who beats no more, and for how many milliseconds it stays.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1] .. 'counts', ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1] .. 'dead', '-inf', now - 86400000)
redis.call('ZADD', KEYS[1] .. 'dead', 'LT', now + ARGV[2], ARGV[1])
return 1
