-- KEYS[1] the chat that this Redis serves, forgotten when none of its nodes has said so for a while.
-- ARGV: whose node asks, and for how many milliseconds its word counts. Answers 1 if it is its own.
local chat = redis.call('GET', KEYS[1])
if chat and chat ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
