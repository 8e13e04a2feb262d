CREATE TABLE exhibits (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The order they are shown in and the cursor of the list: two may share a time, never a number.
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    description text NOT NULL DEFAULT '' CHECK (char_length(description) <= 2000),
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
