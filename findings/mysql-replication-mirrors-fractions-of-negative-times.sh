#!/usr/bin/env bash
# python-mysql-replication reads the TIME(6) -00:00:01.000001 of a binary log as almost a second less.
# Guessed: minus one second and one microsecond.
# Seen: -1.999999 seconds; fractions of negative times are mirrored, so -1.5 is right by chance, and whole seconds are right.
port=$((20000 + $$ % 20000))
FLAGS="--port=$port --bind-address=127.0.0.1 --server-id=1 --log-bin=log --binlog-format=ROW --binlog-row-metadata=FULL"
. "$(dirname "$0")/support/mariadb.sh"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check mysql-replication==1.0.17
ask -u root -e "create user reader@127.0.0.1 identified by 'secret'; grant all on *.* to reader@127.0.0.1;
  create database d; use d; create table t (id int primary key, x time(6));
  insert into t values (1, '-00:00:01.000001'), (2, '-00:00:01.5'), (3, '-00:00:01'), (4, '00:00:01.000001')"
cat > program.py <<'PROGRAM'
import sys
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent
server = dict(host="127.0.0.1", port=int(sys.argv[1]), user="reader", passwd="secret")
log = BinLogStreamReader(server, server_id=9, only_events=[WriteRowsEvent], is_mariadb=True)
print(*(row["values"]["x"].total_seconds() for event in log for row in event.rows))
PROGRAM
compare "$(env/bin/python program.py "$port")" "-1.999999 -1.5 -1.0 1.000001"
