#!/bin/sh
# Makes the role comporta and its database, which nobody else may connect to. The image of PostgreSQL runs it once, when
# its volume is empty; it can be run again: a changed password takes effect.
#   COMPORTA_PASSWORD_FILE  a file that holds the password alone
#   COMPORTA_ROLE           another name for role and database
#   COMPORTA_APP_PASSWORD_FILE  if set, also makes the role comporta_app, which may connect: workers and page use it, once
#                               `comporta grant-app comporta_app` has given it its rights
# and what psql reads: PGHOST, PGPORT, PGUSER (a superuser).
set -eu
COMPORTA_ROLE=${COMPORTA_ROLE:-comporta}
export COMPORTA_ROLE
# psql reads the file itself: arguments are seen by everyone on the machine.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname=postgres <<'SQL'
\set password `cat "$COMPORTA_PASSWORD_FILE"`
\set role `echo "$COMPORTA_ROLE"`
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'role', :'role')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'role') \gexec
REVOKE ALL ON DATABASE :"role" FROM PUBLIC;
\if `test -n "${COMPORTA_APP_PASSWORD_FILE:-}" && echo true || echo false`
    \set app_password `cat "$COMPORTA_APP_PASSWORD_FILE"`
    \set app `echo "${COMPORTA_ROLE}_app"`
    SELECT format('CREATE ROLE %I', :'app') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'app') \gexec
    ALTER ROLE :"app" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'app_password';
    GRANT CONNECT ON DATABASE :"role" TO :"app";
\endif
SQL
