-- KEYS[1] the chat that this Redis serves, forgotten when none of its nodes has said so for a while.
-- ARGV: whose node asks, for how many milliseconds its word counts, and 1 if it takes what is nobody's.
-- Answers 1 if it is its own, 0 if it is another's, -1 if it is nobody's.
local chat = redis.call('GET', KEYS[1])
if chat == ARGV[1] then
    -- Not SET: that is refused when the memory is full.
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return 1
elseif chat then
    return 0
elseif ARGV[3] ~= '1' then
    return -1
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
