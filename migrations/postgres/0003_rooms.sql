-- Tables of the other rooms. No events: all of it but keys and secrets can be built again.

-- Projections: how far each version of each has come, its rows, the terms its rows are found by,
-- and which version is read.
CREATE TABLE public.projection_checkpoints (
    projection  text        NOT NULL,
    version     integer     NOT NULL,
    position    bigint      NOT NULL,
    status      text        NOT NULL,
    error       text,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (projection, version)
);

CREATE TABLE public.projection_rows (
    projection    text    NOT NULL,
    version       integer NOT NULL,
    key           text    NOT NULL,
    workspace_id  uuid    NOT NULL,
    ordinal       bigint  NOT NULL,
    data          json    NOT NULL,
    PRIMARY KEY (projection, version, key)
);
-- It begins with the workspace, so that no plan made while the table is empty takes it for the primary key.
CREATE INDEX projection_rows_workspace ON public.projection_rows (workspace_id, projection, version, ordinal);

CREATE TABLE public.projection_terms (
    projection    text    NOT NULL,
    version       integer NOT NULL,
    workspace_id  uuid    NOT NULL,
    term          text    NOT NULL,
    ordinal       bigint  NOT NULL,
    PRIMARY KEY (projection, version, workspace_id, term, ordinal)
);

CREATE TABLE public.projection_active (
    projection  text    PRIMARY KEY,
    version     integer NOT NULL
);

-- The vault: wrapped data keys and what they seal. A destroyed key keeps its row, without the key.
CREATE TABLE public.data_keys (
    key_id        uuid        PRIMARY KEY,
    workspace_id  uuid        NOT NULL,
    class         text        NOT NULL,
    kek_id        text        NOT NULL,
    wrapped       bytea,
    created_at    timestamptz NOT NULL,
    destroyed_at  timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE UNIQUE INDEX data_keys_live ON public.data_keys (workspace_id, class) WHERE destroyed_at IS NULL;

CREATE TABLE public.secrets (
    secret_id     uuid        NOT NULL,
    version       integer     NOT NULL,
    workspace_id  uuid        NOT NULL,
    key_id        uuid        NOT NULL,
    ciphertext    bytea       NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (secret_id, version)
);

-- Running services. A dead one's calls without an outcome are closed by another.
CREATE TABLE public.replicas (
    incarnation   uuid        PRIMARY KEY,
    started_at    timestamptz NOT NULL,
    heartbeat_at  timestamptz NOT NULL,
    stopped_at    timestamptz
);
