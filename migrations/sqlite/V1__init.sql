-- Everything a node remembers. Times are milliseconds since 1970-01-01T00:00:00Z.

-- "CHOR": tells our file from anybody else's before anything is written to it.
PRAGMA application_id = 1128812370;

-- The oldest migration a binary must know to work with this schema. A migration that takes
-- something away raises it; one that only adds leaves it, and older binaries go on.
CREATE TABLE schema_compat (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    oldest INTEGER NOT NULL
) STRICT;
INSERT INTO schema_compat (id, oldest) VALUES (1, 1);

-- One row that is written to find out whether the database can be written to.
CREATE TABLE pulse (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;
INSERT INTO pulse (id, at) VALUES (1, 0);

-- A deleted account stays as a tombstone, because messages refer to it.
CREATE TABLE users (
    id            INTEGER PRIMARY KEY,
    username      TEXT NOT NULL UNIQUE,
    folded        TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    deleted_at    INTEGER
) STRICT;

CREATE TABLE sign_ins (
    sid      TEXT PRIMARY KEY,
    user_id  INTEGER NOT NULL REFERENCES users (id),
    begun_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ins_of_user ON sign_ins (user_id);
CREATE INDEX sign_ins_ended ON sign_ins (ended_at) WHERE ended_at IS NOT NULL;

-- Only the SHA-256 of a token is kept, in hex. A sign-in lasts as long as its longest token.
CREATE TABLE active_tokens (
    token_hash TEXT PRIMARY KEY CHECK (length(token_hash) = 64),
    sid        TEXT NOT NULL REFERENCES sign_ins (sid),
    user_id    INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX active_tokens_of_sign_in ON active_tokens (sid, expires_at);
CREATE INDEX active_tokens_by_expiry ON active_tokens (expires_at);

-- No foreign key: a revocation outlives its sign-in, whose row may be swept before every node
-- has heard of the end.
CREATE TABLE revocations (
    sid TEXT PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_by_time ON revocations (at);

CREATE TABLE used_tickets (
    nonce      TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_tickets_by_expiry ON used_tickets (expires_at);

CREATE TABLE rooms (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL DEFAULT 0,
    last_ts    INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO rooms (name, created_at) VALUES ('lobby', CAST(unixepoch('subsec') * 1000 AS INTEGER));

-- The log. Clustered by (room, seq), because it is read in stretches of one room.
-- kind 0 is a message; edits and deletions will be events with numbers of their own.
CREATE TABLE messages (
    room_id   INTEGER NOT NULL REFERENCES rooms (id),
    seq       INTEGER NOT NULL CHECK (seq > 0),
    kind      INTEGER NOT NULL DEFAULT 0,
    sender_id INTEGER NOT NULL REFERENCES users (id),
    client_id TEXT NOT NULL,
    body      TEXT NOT NULL,
    ts        INTEGER NOT NULL,
    PRIMARY KEY (room_id, seq),
    UNIQUE (room_id, sender_id, client_id)
) STRICT, WITHOUT ROWID;
