-- By which a browser may prolong its sign-in though all tokens of it have expired: one cookie per
-- sign-in, whose secret changes at each use. Only SHA-256 are kept. A binary that does not know this
-- table ends such a sign-in with its last token.
CREATE TABLE refresh_cookies (
    sid           TEXT PRIMARY KEY REFERENCES sign_ins (sid) ON DELETE CASCADE,
    family_hash   BLOB NOT NULL UNIQUE CHECK (length(family_hash) = 32),
    current_hash  BLOB NOT NULL CHECK (length(current_hash) = 32),
    -- The secret before, what the current one was made of it with, and since when.
    previous_hash BLOB,
    salt          BLOB,
    rotated_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_cookies_by_expiry ON refresh_cookies (expires_at);
