-- Run once by Patroni, as the superuser, when the first member has made its files. The owner makes the tables (the
-- migrations run as it), the application reads and writes them and can change nothing about them.

-- No statement with a password goes to the log, whatever happens.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

\set owner_password `cat /etc/vision-week/secrets/owner-password`
\set app_password `cat /etc/vision-week/secrets/app-password`

CREATE ROLE vision_week_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE vision_week_app LOGIN PASSWORD :'app_password';

CREATE DATABASE vision_week OWNER vision_week_owner;
REVOKE ALL ON DATABASE vision_week FROM PUBLIC;
GRANT CONNECT ON DATABASE vision_week TO vision_week_app;
-- A former primary asks the new one there, as Patroni's rewinder (a role that is made after this), before it takes its own
-- writes back. Nobody else gets that far: pg_hba.conf lets the roles of clients into their own database alone.
REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;

\connect vision_week
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO vision_week_owner;
GRANT USAGE ON SCHEMA public TO vision_week_app;
ALTER DEFAULT PRIVILEGES FOR ROLE vision_week_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO vision_week_app;
ALTER DEFAULT PRIVILEGES FOR ROLE vision_week_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO vision_week_app;
