-- The newest build of each projection beside the version that is read: what it is for, how far it is,
-- what came of comparing it. Times are microseconds since 1970, by the database's clock.
CREATE TABLE public.projection_builds (
    projection   text     PRIMARY KEY,
    version      integer  NOT NULL,
    purpose      text     NOT NULL,
    state        text     NOT NULL,
    -- Where the book ended when it was last looked at, and how quick the build is.
    target       bigint   NOT NULL,
    rate         bigint   NOT NULL DEFAULT 0,
    began_at     bigint   NOT NULL,
    ended_at     bigint,
    -- At which position it was compared with the version that was read, in how many rows they
    -- differed, and some of them (JSON).
    compared_at  bigint,
    differences  bigint,
    examples     text,
    -- Where the newest order stands that was carried out: no order is carried out twice.
    ordered_at   bigint   NOT NULL DEFAULT -1
);
