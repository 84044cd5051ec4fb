-- Read models, in a file of their own: they can be built again, so they needn't be synced to disk
-- with each commit, and folding never waits for an append or delays one.

CREATE TABLE projection_checkpoints (
    projection  TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    error       TEXT,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (projection, version)
) STRICT;

CREATE TABLE projection_rows (
    projection    TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    key           TEXT    NOT NULL,
    workspace_id  BLOB    NOT NULL,
    ordinal       INTEGER NOT NULL,
    data          TEXT    NOT NULL,
    PRIMARY KEY (projection, version, key)
) STRICT;
CREATE INDEX projection_rows_workspace ON projection_rows (projection, version, workspace_id, ordinal);

CREATE TABLE projection_terms (
    projection    TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    workspace_id  BLOB    NOT NULL,
    term          TEXT    NOT NULL,
    ordinal       INTEGER NOT NULL,
    PRIMARY KEY (projection, version, workspace_id, term, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE projection_active (
    projection  TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL
) STRICT;
