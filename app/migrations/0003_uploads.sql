CREATE TABLE uploads (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    -- Its name below UPLOADS_PATH.
    file text NOT NULL UNIQUE,
    content_type text NOT NULL,
    size integer NOT NULL CHECK (size > 0),
    sha256 text NOT NULL,
    exhibit_id uuid REFERENCES exhibits (id) ON DELETE SET NULL,
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX uploads_of_exhibit ON uploads (exhibit_id, created_at);
