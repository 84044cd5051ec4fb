-- The book on PostgreSQL. Why it looks like this: docs/adr/0001 to 0006.
--
-- Everything lies in the schema `public`, named in full where a function runs with the owner's
-- rights, so that nobody's search_path or temporary table can stand in for it.

-- One row an event. `json`, not `jsonb`: what is hashed is the bytes as stored. `sequence` is what
-- postgres-es orders a stream by.
CREATE TABLE public.events (
    position            bigint      NOT NULL CHECK (position >= 0),
    event_id            uuid        NOT NULL,
    aggregate_type      text        NOT NULL,
    aggregate_id        text        NOT NULL,
    sequence            bigint      NOT NULL GENERATED ALWAYS AS (position + 1) STORED,
    event_type          text        NOT NULL,
    event_version       text        NOT NULL,
    payload             json        NOT NULL,
    metadata            json        NOT NULL,
    workspace_id        uuid        NOT NULL,
    workspace_sequence  bigint      NOT NULL CHECK (workspace_sequence >= 1),
    control             boolean     NOT NULL,
    narrows             boolean     NOT NULL CHECK (control OR NOT narrows),
    -- [["field","hex of the commitment"], …] in the order of the append; NULL where there is none.
    commitments         json,
    recorded_at         timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);

-- A stream, in order.
CREATE INDEX events_stream ON public.events (aggregate_type, aggregate_id, position);
-- A workspace, in order; its newest row says the workspace's last number.
CREATE INDEX events_workspace ON public.events (workspace_id, position) INCLUDE (workspace_sequence);
-- What live state is folded from.
CREATE INDEX events_control ON public.events (position) WHERE control;
-- Where a stream's last control event stands, however many calls lie behind it.
CREATE INDEX events_control_stream ON public.events (aggregate_type, aggregate_id, position) WHERE control;
-- The fence.
CREATE INDEX events_narrows ON public.events (workspace_id, position) WHERE narrows;

-- UPDATE, DELETE and TRUNCATE of events are refused, whoever tries. On statements and not on rows,
-- because a TRUNCATE has no rows; on each partition too, because a statement that names the
-- partition passes the parent's triggers by.
CREATE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: events are only ever added', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE FUNCTION public.refuse_changes_of(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
         FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()', guarded);
    -- ALWAYS: `session_replication_role = replica` doesn't switch it off.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_change', guarded);
END;
$$;

SELECT public.refuse_changes_of('public.events');

-- Makes the partitions that reach at least `ahead` whole partitions behind the one that the next
-- event falls into, and answers with the first position that has no partition. There is never a
-- DEFAULT partition: it would have to be scanned at each attach. A new partition is filled out
-- before it is attached, because ATTACH lets appends go on and CREATE … PARTITION OF doesn't.
CREATE FUNCTION public.make_partitions(ahead integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    size CONSTANT bigint := 10000000;
    head bigint;
    edge bigint;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(7070, 2);
    SELECT coalesce(max((substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''(\d+)''\)'))::bigint), 0)
        INTO edge
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.events'::regclass;
    SELECT position + 1 INTO head FROM public.events ORDER BY position DESC LIMIT 1;
    WHILE edge <= coalesce(head, 0) + least(greatest(ahead, 1), 100) * size LOOP
        name := 'events_p' || lpad((edge / size)::text, 6, '0');
        EXECUTE format('CREATE TABLE public.%I (LIKE public.events INCLUDING ALL)', name);
        PERFORM public.refuse_changes_of(format('public.%I', name)::regclass);
        EXECUTE format('ALTER TABLE public.events ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)',
            name, edge, edge + size);
        edge := edge + size;
    END LOOP;
    RETURN edge;
END;
$$;

REVOKE ALL ON FUNCTION public.make_partitions(integer) FROM PUBLIC;
SELECT public.make_partitions(2);

-- What can be sealed again and erased; never part of the proof.
CREATE TABLE public.event_bodies (
    event_id    uuid  NOT NULL,
    field       text  NOT NULL,
    key_id      uuid  NOT NULL,
    ciphertext  bytea NOT NULL,
    PRIMARY KEY (event_id, field)
);

CREATE TABLE public.idempotency (
    scope         text        NOT NULL,
    key           text        NOT NULL,
    request_hash  bytea       NOT NULL,
    position      bigint      NOT NULL,
    -- Sealed; NULL while it isn't known.
    answer        bytea,
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_expires ON public.idempotency (expires_at);

-- Rows only for sessions that have a total.
CREATE TABLE public.budgets (
    session_id  uuid   PRIMARY KEY,
    used        bigint NOT NULL CHECK (used >= 0),
    total       bigint NOT NULL CHECK (total >= 0)
);
