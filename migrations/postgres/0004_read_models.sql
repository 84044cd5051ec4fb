-- Read models, in narrow columns. Why they look like this: docs/adr/0032.
--
-- What 0003 made for them was never released and is built again from the book by the projector.
DROP TABLE public.projection_checkpoints, public.projection_rows, public.projection_terms,
    public.projection_active;

-- Each version of each projection: how far it has come, who folds it, and the number by which its
-- rows and terms know it. Updated in place with each page, so there is room for that.
CREATE TABLE public.projection_checkpoints (
    build       integer     PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    projection  text        NOT NULL,
    version     integer     NOT NULL,
    position    bigint      NOT NULL,
    status      text        NOT NULL,
    error       text,
    -- The replica that folds it, and until when nobody else does.
    holder      uuid,
    held_until  timestamptz,
    updated_at  timestamptz NOT NULL,
    UNIQUE (projection, version)
) WITH (fillfactor = 40);

-- Which version is read.
CREATE TABLE public.projection_active (
    projection  text    PRIMARY KEY,
    version     integer NOT NULL
);

-- `data` is JSON, but nothing in here looks into it. An open call's row is updated by its outcome soon
-- after it was made: with room left in its page, no index is touched by that.
CREATE TABLE public.projection_rows (
    ordinal       bigint  NOT NULL,
    build         integer NOT NULL,
    workspace_id  uuid    NOT NULL,
    key           text    NOT NULL COLLATE "C",
    data          text    NOT NULL,
    PRIMARY KEY (build, key)
) WITH (fillfactor = 80);
-- It begins with the workspace, so that no plan made while the table is empty takes it for the primary key.
CREATE INDEX projection_rows_workspace ON public.projection_rows (workspace_id, build, ordinal);

-- By which terms rows are found: these come and go with what the row says. A term and its workspace are
-- one number of 16 bytes.
CREATE TABLE public.projection_terms (
    ordinal  bigint  NOT NULL,
    build    integer NOT NULL,
    term     uuid    NOT NULL,
    PRIMARY KEY (build, term, ordinal)
);

-- By which terms events are found: these are only added. One row for all events of a page that have the
-- term: `first`, and how far behind it each of them stands, itself (0) among them; NULL where it is alone.
-- The rows of one term never overlap, and none reaches further than 32767.
CREATE TABLE public.projection_postings (
    first    bigint  NOT NULL,
    build    integer NOT NULL,
    term     uuid    NOT NULL,
    offsets  smallint[],
    PRIMARY KEY (build, term, first)
);
