-- Which calls of a replica may be without an outcome, and who writes the outcomes of a dead one. docs/adr/0063.
ALTER TABLE public.replicas
    -- Every call of it that was permitted before this position has its outcome.
    ADD COLUMN open_from bigint NOT NULL DEFAULT 0,
    -- It is dead, and this one closes its calls. Never taken back: a replica that was only paused comes back as another.
    ADD COLUMN closed_by uuid;

-- A session that ended long ago is in nobody's memory; its token finds it here. docs/adr/0064.
CREATE INDEX events_session_credential
    ON public.events ((payload -> 'created' -> 'verifier' ->> 'credential_id')) WHERE event_type = 'session.created';
