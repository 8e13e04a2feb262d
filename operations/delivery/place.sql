-- The restored copy and the database change names, at once for everybody: run by the superuser on the primary.
--
-- former: what the database is called from then on.

\set ON_ERROR_STOP on
-- Whoever is thrown out comes back to the other one. What had the name stays closed.
ALTER DATABASE vision_week ALLOW_CONNECTIONS false;
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'vision_week';
BEGIN;
ALTER DATABASE vision_week RENAME TO :"former";
ALTER DATABASE vision_week_restored RENAME TO vision_week;
COMMIT;
