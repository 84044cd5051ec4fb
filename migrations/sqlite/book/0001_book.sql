-- The book on SQLite: the same columns as on PostgreSQL. JSON is TEXT (a column declared `json` gets
-- numeric affinity), UUIDs are BLOBs of 16 bytes, but for the aggregate's, which the stock readers
-- bind as text; times are integer microseconds since 1970, UTC.

CREATE TABLE events (
    position            INTEGER NOT NULL PRIMARY KEY CHECK (position >= 0),
    event_id            BLOB    NOT NULL,
    aggregate_type      TEXT    NOT NULL,
    aggregate_id        TEXT    NOT NULL,
    sequence            INTEGER NOT NULL GENERATED ALWAYS AS (position + 1) VIRTUAL,
    event_type          TEXT    NOT NULL,
    event_version       TEXT    NOT NULL,
    payload             TEXT    NOT NULL CHECK (json_valid(payload)),
    metadata            TEXT    NOT NULL CHECK (json_valid(metadata)),
    workspace_id        BLOB    NOT NULL,
    workspace_sequence  INTEGER NOT NULL CHECK (workspace_sequence >= 1),
    control             INTEGER NOT NULL CHECK (control IN (0, 1)),
    narrows             INTEGER NOT NULL CHECK (narrows IN (0, 1) AND narrows <= control),
    -- [["field","hex of the commitment"], …] in the order of the append; NULL where there is none.
    commitments         TEXT,
    recorded_at         INTEGER NOT NULL
) STRICT;

CREATE INDEX events_stream ON events (aggregate_type, aggregate_id, position);
CREATE INDEX events_workspace ON events (workspace_id, position);
CREATE INDEX events_control ON events (position) WHERE control;
CREATE INDEX events_control_stream ON events (aggregate_type, aggregate_id, position) WHERE control;
CREATE INDEX events_narrows ON events (workspace_id, position) WHERE narrows;

CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'UPDATE of events is refused: events are only ever added');
END;
CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'DELETE of events is refused: events are only ever added');
END;
-- A REPLACE deletes without the trigger above (unless recursive triggers are on).
CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE position = NEW.position) BEGIN
    SELECT RAISE(ABORT, 'a position is written once');
END;

CREATE TABLE event_bodies (
    event_id    BLOB NOT NULL,
    field       TEXT NOT NULL,
    key_id      BLOB NOT NULL,
    ciphertext  BLOB NOT NULL,
    PRIMARY KEY (event_id, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    scope         TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    request_hash  BLOB    NOT NULL,
    position      INTEGER NOT NULL,
    answer        BLOB,
    expires_at    INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE budgets (
    session_id  BLOB    NOT NULL PRIMARY KEY,
    used        INTEGER NOT NULL CHECK (used >= 0),
    total       INTEGER NOT NULL CHECK (total >= 0)
) STRICT;

CREATE TABLE data_keys (
    key_id        BLOB    NOT NULL PRIMARY KEY,
    workspace_id  BLOB    NOT NULL,
    class         TEXT    NOT NULL,
    kek_id        TEXT    NOT NULL,
    wrapped       BLOB,
    created_at    INTEGER NOT NULL,
    destroyed_at  INTEGER,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX data_keys_live ON data_keys (workspace_id, class) WHERE destroyed_at IS NULL;

CREATE TABLE secrets (
    secret_id     BLOB    NOT NULL,
    version       INTEGER NOT NULL,
    workspace_id  BLOB    NOT NULL,
    key_id        BLOB    NOT NULL,
    ciphertext    BLOB    NOT NULL,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (secret_id, version)
) STRICT;

CREATE TABLE replicas (
    incarnation   BLOB    NOT NULL PRIMARY KEY,
    started_at    INTEGER NOT NULL,
    heartbeat_at  INTEGER NOT NULL,
    stopped_at    INTEGER
) STRICT;
