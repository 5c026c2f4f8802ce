-- Webhooks (WEBHOOKS): an event that a receiver refuses for good is put aside, and its room goes on. A binary that
-- does not know this relays to sinks that nothing is put aside of.

-- The last event that the sink was told and has. NULL: that is seq. Else those after it were put aside.
ALTER TABLE relay_cursors ADD COLUMN told INTEGER;

-- What was put aside: where it is in the log, which has the text, and why.
CREATE TABLE relay_dead_letters (
    sink       TEXT NOT NULL REFERENCES relay_sinks (sink) ON DELETE CASCADE,
    room_id    INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    reason     TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (sink, room_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX relay_dead_letters_by_time ON relay_dead_letters (at, room_id, seq);
