#!/bin/sh
# Makes the role comporta and its database, which nobody else may connect to. The image of PostgreSQL runs it once, when
# its volume is empty; it can be run again: a changed password takes effect.
#   COMPORTA_PASSWORD_FILE  a file that holds the password alone
#   COMPORTA_ROLE           another name for role and database
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
SQL
