-- What the platform's first release made of a new cluster: two roles that logged in as themselves, nobody who only reads.
-- Its migrations ran as the owner.

CREATE ROLE vision_week_owner LOGIN PASSWORD 'of old';
CREATE ROLE vision_week_app LOGIN PASSWORD 'of old';

CREATE DATABASE vision_week OWNER vision_week_owner;
REVOKE ALL ON DATABASE vision_week FROM PUBLIC;
GRANT CONNECT ON DATABASE vision_week TO vision_week_app;
REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;

\connect vision_week
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO vision_week_owner;
GRANT USAGE ON SCHEMA public TO vision_week_app;
ALTER DEFAULT PRIVILEGES FOR ROLE vision_week_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO vision_week_app;
ALTER DEFAULT PRIVILEGES FOR ROLE vision_week_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO vision_week_app;

SET ROLE vision_week_owner;
CREATE TABLE exhibits (id bigserial PRIMARY KEY, title text);
INSERT INTO exhibits (title) VALUES ('of old');
