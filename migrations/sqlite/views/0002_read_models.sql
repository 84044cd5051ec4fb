-- Read models, in narrow columns: see 0004 for PostgreSQL. What was there is built again from the book.

DROP TABLE projection_checkpoints;
DROP TABLE projection_rows;
DROP TABLE projection_terms;
DROP TABLE projection_active;

CREATE TABLE projection_checkpoints (
    build       INTEGER PRIMARY KEY AUTOINCREMENT,
    projection  TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    error       TEXT,
    holder      BLOB,
    held_until  INTEGER,
    updated_at  INTEGER NOT NULL,
    UNIQUE (projection, version)
) STRICT;

CREATE TABLE projection_active (
    projection  TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL
) STRICT;

CREATE TABLE projection_rows (
    ordinal       INTEGER NOT NULL,
    build         INTEGER NOT NULL,
    workspace_id  BLOB    NOT NULL,
    key           TEXT    NOT NULL,
    data          TEXT    NOT NULL,
    PRIMARY KEY (build, key)
) STRICT;
CREATE INDEX projection_rows_workspace ON projection_rows (workspace_id, build, ordinal);

CREATE TABLE projection_terms (
    build    INTEGER NOT NULL,
    term     BLOB    NOT NULL,
    ordinal  INTEGER NOT NULL,
    PRIMARY KEY (build, term, ordinal)
) STRICT, WITHOUT ROWID;

-- `offsets` is a JSON array of numbers, or NULL.
CREATE TABLE projection_postings (
    build    INTEGER NOT NULL,
    term     BLOB    NOT NULL,
    first    INTEGER NOT NULL,
    offsets  TEXT,
    PRIMARY KEY (build, term, first)
) STRICT, WITHOUT ROWID;
