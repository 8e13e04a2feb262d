-- Who may do what in the database, run by the superuser. As often as one likes: what is there stays, what is missing or
-- was changed by hand is put right, a database of an earlier release is brought here.
--
--   vision_week_owner     owns the database and its tables: the migrations
--   vision_week_app       reads and writes rows, and can change nothing about their tables: the application
--   vision_week_readonly  reads rows: people, over a member's own socket
--   vision_week_backup    begins and ends backups, and reads no row: pgBackRest, over a member's own socket
--   vision_week_exporter  reads what PostgreSQL counts, and no row: the exporter, over a member's own socket
--
-- Nobody logs in by a password as the first two: logins.sql makes their members, which do.

\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY[
    'vision_week_owner', 'vision_week_app', 'vision_week_readonly', 'vision_week_backup', 'vision_week_exporter'
]) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE vision_week_readonly LOGIN;
ALTER ROLE vision_week_backup LOGIN;
GRANT pg_read_all_settings TO vision_week_backup;
GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_create_restore_point(text), pg_switch_wal()
    TO vision_week_backup;
ALTER ROLE vision_week_exporter LOGIN;
-- What others do at the moment, too, or it would see itself alone.
GRANT pg_read_all_stats, pg_read_all_settings TO vision_week_exporter;

SELECT 'CREATE DATABASE vision_week'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'vision_week') \gexec
ALTER DATABASE vision_week OWNER TO vision_week_owner;
REVOKE ALL ON DATABASE vision_week FROM PUBLIC;
GRANT CONNECT ON DATABASE vision_week TO vision_week_app, vision_week_readonly, vision_week_exporter;
-- A former primary asks the new one there, as Patroni's rewinder (a role that is made after this), before it takes its own
-- writes back. Nobody else gets that far: pg_hba.conf lets the roles of clients into their own database alone.
REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;

\connect vision_week
SET client_min_messages = warning;
-- In its own schema the owner could have made something of a name that is used here.
SET search_path = pg_catalog, pg_temp;

BEGIN;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO vision_week_owner;
GRANT USAGE ON SCHEMA public TO vision_week_app, vision_week_readonly;
GRANT EXECUTE ON FUNCTION pg_ls_archive_statusdir() TO vision_week_exporter;
-- Tables that were made before there was somebody who only reads: once. What a migration takes from somebody later stays
-- taken.
SELECT 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO vision_week_readonly'
WHERE NOT EXISTS (
    SELECT FROM pg_default_acl, aclexplode(defaclacl) WHERE grantee = 'vision_week_readonly'::regrole
) \gexec
-- What the owner will make.
ALTER DEFAULT PRIVILEGES FOR ROLE vision_week_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO vision_week_app;
ALTER DEFAULT PRIVILEGES FOR ROLE vision_week_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO vision_week_app;
ALTER DEFAULT PRIVILEGES FOR ROLE vision_week_owner IN SCHEMA public
    GRANT SELECT ON TABLES TO vision_week_readonly;
COMMIT;
