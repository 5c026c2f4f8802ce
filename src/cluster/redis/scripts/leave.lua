-- KEYS[1] the room. ARGV: who drains, and for how many milliseconds its set stays.
let_go(KEYS[1])
if redis.call('SISMEMBER', KEYS[1] .. 'who', ARGV[1]) == 1 then
    redis.call('ZADD', KEYS[1] .. 'leaving', 'NX', now + ARGV[2], ARGV[1])
end
let_go(KEYS[1])
return 1
