#!/bin/bash
# Run once by the postgres image on an empty volume: one role and one database per project,
# as projects.toml names them. Each role owns its own database and may connect to no other.
set -euo pipefail

psql_as_superuser() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres "$@"
}

make_database() {
  psql_as_superuser --set role="$1" --set database="$2" --set password="$3" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"role";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
}

make_database registry registry_db "$REGISTRY_DATABASE_PASSWORD"
make_database user_service user_service_db "$USERS_DATABASE_PASSWORD"
make_database product_service product_service_db "$PRODUCTS_DATABASE_PASSWORD"
make_database payment_service payment_service_db "$PAYMENTS_DATABASE_PASSWORD"
make_database order_service order_service_db "$ORDERS_DATABASE_PASSWORD"
make_database gateway gateway_db "$GATEWAY_DATABASE_PASSWORD"
psql_as_superuser --command "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC"
