#!/usr/bin/env bash
# python-mysql-replication and zongji read the YEAR 0000 of a binary log as 1900.
# Guessed: 0, which the server answers to a query (1900 is no value of the type).
# Seen: 1900 from both; the byte of the log is 0, which stands for 0000 where all others stand for years since 1900.
port=$((20000 + $$ % 20000))
FLAGS="--port=$port --bind-address=127.0.0.1 --server-id=1 --log-bin=log --binlog-format=ROW --binlog-row-metadata=FULL"
. "$(dirname "$0")/support/mariadb.sh"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check mysql-replication==1.0.17
npm init -y >npm.log
npm install --silent --no-audit --no-fund @vlasky/zongji@0.9.0 >>npm.log
ask -u root -e "create user reader@127.0.0.1 identified by 'secret'; grant all on *.* to reader@127.0.0.1;
  create database d; use d; create table t (id int primary key, x year); insert into t values (1, 0), (2, 1901)"
cat > program.py <<'PROGRAM'
import sys
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent
server = dict(host="127.0.0.1", port=int(sys.argv[1]), user="reader", passwd="secret")
log = BinLogStreamReader(server, server_id=9, only_events=[WriteRowsEvent], is_mariadb=True)
print(*(row["values"]["x"] for event in log for row in event.rows))
PROGRAM
cat > program.cjs <<'PROGRAM'
const { default: ZongJi } = require("@vlasky/zongji");
const log = new ZongJi({ host: "127.0.0.1", port: Number(process.argv[2]), user: "reader", password: "secret" });
log.on("binlog", (event) => {
  if (event.getEventName() !== "writerows") return;
  console.log(event.rows.map((row) => row.x).join(" "));
  process.exit();
});
log.start({ startAtEnd: false, serverId: 11 });
PROGRAM
own=$(ask -u root -e "select x from d.t order by id" | xargs)
python=$(env/bin/python program.py "$port")
node=$(node program.cjs "$port")
compare "server: $own, python: $python, node: $node" "server: 0000 1901, python: 1900 1901, node: 1900 1901"
