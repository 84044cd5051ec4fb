-- The newest build of each projection beside the version that is read: what it is for, how far it is,
-- what came of comparing it. Times are microseconds since 1970, by the database's clock.
CREATE TABLE projection_builds (
    projection   TEXT     PRIMARY KEY,
    version      INTEGER  NOT NULL,
    purpose      TEXT     NOT NULL,
    state        TEXT     NOT NULL,
    -- Where the book ended when it was last looked at, and how quick the build is.
    target       INTEGER   NOT NULL,
    rate         INTEGER   NOT NULL DEFAULT 0,
    began_at     INTEGER   NOT NULL,
    ended_at     INTEGER,
    -- At which position it was compared with the version that was read, in how many rows they
    -- differed, and some of them (JSON).
    compared_at  INTEGER,
    differences  INTEGER,
    examples     TEXT,
    -- Where the newest order stands that was carried out: no order is carried out twice.
    ordered_at   INTEGER   NOT NULL DEFAULT -1
) STRICT;
