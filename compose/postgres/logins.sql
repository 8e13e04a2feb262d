-- One PostgreSQL alone has nobody take turns: the owner and the application log in as themselves.

-- No statement with a password goes to the log, whatever happens.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

\set owner_password `cat /etc/vision-week/secrets/owner-password`
\set app_password `cat /etc/vision-week/secrets/app-password`

ALTER ROLE vision_week_owner LOGIN PASSWORD :'owner_password';
ALTER ROLE vision_week_app LOGIN PASSWORD :'app_password';
