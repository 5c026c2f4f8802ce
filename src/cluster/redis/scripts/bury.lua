-- KEYS[1] the room, ARGV[1] who is dead. Answers 1 if it had a set here.
let_go(KEYS[1])
return bury(KEYS[1], ARGV[1])
