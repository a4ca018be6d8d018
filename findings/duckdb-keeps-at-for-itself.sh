#!/usr/bin/env bash
# Events have a field `at`; DuckDB infers it as any other, and no plain query can name it since tables have an AT clause.
# Guessed: `at` is a word like `date` or `time`, a column wherever a column may stand.
# Seen: "syntax error" at what comes behind it, for select, where and create table; t.at and "at" are fine, and so is * .
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1
echo '{"id": 1, "at": "2026-11-30T08:00:00Z"}' > events.jsonl
cat > program.py <<'PROGRAM'
import duckdb
def does(query):
    try:
        duckdb.sql(query)
        return "fine"
    except duckdb.ParserException:
        return "syntax"
duckdb.sql("create table events as from read_json('events.jsonl')")
queries = [
    "select id, at from events", "from events where at is not null", "create table other (at timestamp)",
    "select events.at from events", 'select "at" from events', "select id, date, time from (select 1 id, 2 date, 3 time)",
]
names = ",".join(name for name, *_ in duckdb.sql("describe events").fetchall())
print(names, " ".join(map(does, queries)))
PROGRAM
want='id,at syntax syntax syntax fine fine fine'
seen=$(env/bin/python program.py)
echo "duckdb 2.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
