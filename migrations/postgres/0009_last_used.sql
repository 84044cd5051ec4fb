-- When each credential was last used, by id: of an API key, an operator credential or a sign-in. Beside the book, and
-- no part of what it proves. docs/adr/0073.
CREATE TABLE public.last_used (
    credential_id uuid        PRIMARY KEY,
    used_at       timestamptz NOT NULL
);
