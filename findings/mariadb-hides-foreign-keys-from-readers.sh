#!/usr/bin/env bash
# information_schema.REFERENTIAL_CONSTRAINTS of MariaDB is empty for a user who may only read the tables.
# Guessed: whoever may read a table, and its columns in information_schema, sees its foreign keys there too.
# Seen: 0 rows for SELECT, 1 for SELECT and INSERT; SHOW CREATE TABLE has the foreign key for both. Whether rows vanish by
# ON DELETE CASCADE, of which the log has nothing, cannot be asked there by a reader of the log.
. "$(dirname "$0")/support/mariadb.sh"
ask -u root -e "create database d; use d; create table p (id int primary key);
  create table c (id int, foreign key (id) references p (id) on delete cascade);
  create user reader@localhost, writer@localhost;
  grant select on d.* to reader@localhost; grant select, insert on d.* to writer@localhost"
seen=""
for user in reader writer; do
  rows=$(ask -u $user -e "select count(*) from information_schema.referential_constraints where constraint_schema = 'd'")
  shown=$(ask -u $user -e 'show create table d.c' | grep -c 'ON DELETE CASCADE')
  seen="$seen$user: $rows row, shown in $shown line; "
done
compare "$seen" "reader: 0 row, shown in 1 line; writer: 1 row, shown in 1 line; "
