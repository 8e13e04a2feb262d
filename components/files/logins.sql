-- Who logs in with which password: those in logins.json and nobody besides, run by the superuser on the primary. It changes
-- only what differs, so it runs all the time, and what was edited by hand is put right.
--
-- told: the generation that the last whole roll-out gave its pods; 0 before the first.
-- serving: the same as soon as every pod of before has ended: earlier generations end. 0 until then.
--
-- The file has no passwords, but verifiers (RFC 5803), which tell right from wrong and open nothing. Not even they go to
-- the log.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

\set logins `cat /etc/vision-week/roles/logins.json`
SET vision_week.logins = :'logins';
SET vision_week.told = :'told';
SET vision_week.serving = :'serving';

DO $$
DECLARE
    logins constant jsonb := current_setting('vision_week.logins');
    latest constant int := (SELECT max((one ->> 'generation')::int) FROM jsonb_array_elements(logins) AS one);
    told constant int := current_setting('vision_week.told');
    settled constant int := current_setting('vision_week.serving');
    -- Later than all that are known: somebody goes back, and clients of both are there.
    serving constant int := CASE WHEN settled > latest THEN 0 ELSE settled END;
    login record;
    setting record;
    past name;
BEGIN
    FOR login IN
        SELECT * FROM jsonb_to_recordset(logins)
            AS one(role text, member_of text, generation int, verifier text, settings jsonb)
        WHERE generation >= serving
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login.role) THEN
            EXECUTE format('CREATE ROLE %I', login.role);
        END IF;
        IF NOT pg_has_role(login.role, login.member_of, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', login.member_of, login.role);
        END IF;
        IF login.settings IS DISTINCT FROM (
            SELECT coalesce(jsonb_object_agg(split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)), '{}')
            FROM pg_db_role_setting, unnest(setconfig) AS one
            WHERE setrole = login.role::regrole AND setdatabase = 0
        ) THEN
            EXECUTE format('ALTER ROLE %I RESET ALL', login.role);
            FOR setting IN SELECT * FROM jsonb_each_text(login.settings) LOOP
                EXECUTE format('ALTER ROLE %I SET %I = %L', login.role, setting.key, setting.value);
            END LOOP;
        END IF;
        -- Last: who can log in has all that is its own. But no password is taken from pods that may still use it: those
        -- of a generation whose turn is the same, or that ends just now.
        IF EXISTS (
            SELECT FROM pg_authid
            WHERE rolname = login.role AND (NOT rolcanlogin OR rolpassword IS DISTINCT FROM login.verifier)
        ) THEN
            IF told NOT IN (0, login.generation)
                AND ((login.generation - told) % 2 = 0 OR settled = 0)
                AND EXISTS (SELECT FROM pg_roles WHERE rolname = login.role AND rolcanlogin)
            THEN
                RAISE WARNING '% keeps its password while somebody may use it: pods are at generation %, generation % waits',
                    login.role, told, login.generation
                    USING HINT = 'secrets.generation goes up by one at a time.';
            ELSE
                EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', login.role, login.verifier);
            END IF;
        END IF;
    END LOOP;

    -- Whoever else has rights of theirs and may log in: earlier generations, and what somebody made by hand.
    FOR past IN
        SELECT rolname FROM pg_roles
        WHERE serving > 0 AND rolcanlogin AND NOT rolsuper
            AND EXISTS (
                SELECT FROM jsonb_array_elements(logins) AS one
                WHERE pg_has_role(pg_roles.oid, one ->> 'member_of', 'MEMBER')
            )
            AND NOT EXISTS (
                SELECT FROM jsonb_array_elements(logins) AS one
                WHERE one ->> 'role' = rolname AND (one ->> 'generation')::int >= serving
            )
    LOOP
        EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', past);
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = past;
    END LOOP;
END
$$;
