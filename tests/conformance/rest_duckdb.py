"""Works on a served lake as DuckDB's users do, by its iceberg extension.

usage: rest_duckdb.py URI TOKEN

Prints {"rows": {table: [rows]}, "refused": {what: message}}.
"""

import glob
import json
import sys
import sysconfig

import duckdb

WORK = """
create schema l.dk;
create table l.dk.t (id bigint, name varchar, day date);
insert into l.dk.t values (1, 'a', '2026-01-01'), (2, 'b', '2026-01-02'), (3, null, null);
delete from l.dk.t where id = 2;
update l.dk.t set name = 'z' where id = 1;
create table l.dk.u as select 5 as id, 'x' as s;
begin;
insert into l.dk.u values (6, 'y');
insert into l.dk.t values (7, 't', null);
commit;
merge into l.dk.u using (values (6, 'yy'), (8, 'new')) n(id, s) on n.id = u.id
  when matched then update set s = n.s when not matched then insert values (n.id, n.s);
alter table l.dk.u add column extra integer;
create table l.dk.gone (id integer);
drop table l.dk.gone;
delete from l.shared.t where id = 1;
insert into l.shared.t values (100, 'by DuckDB');
"""


def main(uri, token):
    lake = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    site = sysconfig.get_paths()["purelib"]
    for name in ("avro", "httpfs", "iceberg"):
        folder = f"{site}/duckdb_extension_{name}/extensions"
        [path] = glob.glob(f"{folder}/*/{name}.duckdb_extension")
        lake.execute(f"load '{path}'")
    lake.execute(f"attach 'lake' as l (type iceberg, endpoint '{uri}', token '{token}')")
    for statement in WORK.split(";"):
        if statement.strip():
            lake.execute(statement)
    tables = ("dk.t", "dk.u", "py.t", "shared.t", "gold.big")
    rows = {table: rows_of(lake, table) for table in tables}
    refused = {"append to a model": refusal(lake, "insert into l.gold.big values (1, 2)")}
    print(json.dumps({"rows": rows, "refused": refused}, default=str))


def rows_of(lake, table):
    found = lake.execute(f"select * from l.{table}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]


def refusal(lake, statement):
    try:
        lake.execute(statement)
    except Exception as thrown:
        return f"{type(thrown).__name__}: {thrown}"
    return "nothing was refused"


if __name__ == "__main__":
    main(*sys.argv[1:])
