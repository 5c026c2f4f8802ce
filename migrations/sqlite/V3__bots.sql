-- Bots: accounts whose password nobody knows. Their tokens are sign-ins that the operator began, so they
-- end, expire and are swept like those; what a token allows goes with it. A binary that does not know these
-- tables lets no bot in, because it knows their tokens by no other way.
CREATE TABLE bots (
    user_id INTEGER PRIMARY KEY REFERENCES users (id)
) STRICT;

CREATE TABLE bot_tokens (
    sid       TEXT PRIMARY KEY REFERENCES sign_ins (sid) ON DELETE CASCADE,
    rooms     TEXT NOT NULL,
    may_read  INTEGER NOT NULL CHECK (may_read IN (0, 1)),
    may_write INTEGER NOT NULL CHECK (may_write IN (0, 1))
) STRICT, WITHOUT ROWID;
