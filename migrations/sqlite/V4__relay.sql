-- What was said goes on to other systems (AMQP_URL). A binary that does not know these tables relays nothing.

-- Which log this is. `chat` stays for ever. `epoch` is another one when the log is in another file than before: then
-- it may have lost its end, and numbers may be given a second time.
CREATE TABLE relay_log (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    chat  TEXT NOT NULL,
    epoch TEXT NOT NULL,
    place TEXT NOT NULL
) STRICT;
INSERT INTO relay_log (id, chat, epoch, place) VALUES (1, lower(hex(randomblob(16))), lower(hex(randomblob(16))), '');

-- A sink, and who leads it. Each taking of the lead raises the fence.
CREATE TABLE relay_sinks (
    sink   TEXT PRIMARY KEY,
    fence  INTEGER NOT NULL,
    holder TEXT
) STRICT, WITHOUT ROWID;

-- Up to where a sink has a room for certain; no row: nothing of it.
CREATE TABLE relay_cursors (
    sink    TEXT NOT NULL REFERENCES relay_sinks (sink) ON DELETE CASCADE,
    room_id INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (sink, room_id)
) STRICT, WITHOUT ROWID;
