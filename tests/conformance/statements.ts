/** A lake whose tables were made and changed by statements alone. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun, programPath } from "../crash/program.ts";

const RUN_MS_MAX = 240_000;

/** Types, nesting, partitions that change, columns that come, go and move, marks, a transaction, an odd name. */
const STATEMENTS = `
create table silver.things (id bigint not null, flag boolean, price decimal(12,2), name varchar, day date,
  local_at timestamp, moment timestamptz, tags varchar[], place struct(city varchar, spot struct(x double, y double)),
  counts map(varchar, bigint), key uuid, raw blob) partitioned by (bucket(4, id)) sorted by (name);
insert into silver.things select i, i % 2 = 0, i / 4, 'n' || (i % 70), date '1969-12-01' + i::int,
  timestamp '1969-12-31 23:00:00' + to_seconds(i), timestamptz '2024-01-01 00:00:00+00' + to_seconds(i),
  case when i % 3 > 0 then ['a', 'b' || i] end,
  case when i % 5 > 0 then {'city': 'c' || i, 'spot': {'x': i / 2, 'y': null}} end,
  map {'k' || i: i}, ('00000000-0000-4000-8000-' || lpad(i::varchar, 12, '0'))::uuid, encode('b' || i)
  from range(2000) r(i);
update silver.things set price = price + 0.01, tags = ['changed'] where id % 7 = 0;
delete from silver.things where id % 11 = 0;
alter table silver.things add column place.zip int;
alter table silver.things add column note varchar;
alter table silver.things rename column place.city to town;
alter table silver.things rename column name to title;
alter table silver.things drop column flag;
alter table silver.things set partitioned by (month(day), truncate(2, title));
merge into silver.things as t using (select i as id, 'merged' as title from range(1990, 2020) r(i)) as s on t.id = s.id
  when matched then update set title = s.title, place = {'town': 'm', 'spot': null, 'zip': 5}
  when not matched then insert (id, title, day) values (s.id, s.title, date '2026-11-20');
create table silver.big_one as select i as id, 'v' || i as v, i % 10 as g from range(400000) r(i);
delete from silver.big_one where id % 100 = 3;
update silver.big_one set v = 'new' where id < 50;
merge into silver.big_one as t using (select 399000 + i as id, 'm' as v, 1 as g from range(2000) r(i)) as s using (id)
  when matched then update set * when not matched then insert *;
begin;
create table gold.sums as select g, count(*) as n, sum(id) as total from silver.big_one group by g;
delete from silver.things where id = 5;
insert into gold.sums values (99, 0, 0);
commit;
comment on table gold.sums is 'of the big one';
create or replace table gold.sums as select g::varchar as g, n from gold.sums;
`;

/** The same in format v3: a table that was empty when it was upgraded, one made so, one with rows and marks of v2. */
const STATEMENTS_V3 = `${STATEMENTS.replace(
  "insert into silver.things",
  `alter table silver.things set ('format-version' = '3', 'write.delete.mode' = 'merge-on-read',
    'write.update.mode' = 'merge-on-read', 'write.merge.mode' = 'merge-on-read');
  insert into silver.things`,
).replace(
  "create table silver.big_one as",
  "create table silver.big_one with ('format-version' = '3') as",
)}
create table silver.upgraded with ('write.delete.mode' = 'merge-on-read') as
  select i as id, 'v' || i as v, i % 7 as g from range(70000) r(i);
delete from silver.upgraded where id % 1000 = 7;
insert into silver.upgraded select i, 'w' || i, 1 from range(70000, 70100) r(i);
alter table silver.upgraded set ('format-version' = '3');
delete from silver.upgraded where id % 999 = 5;
update silver.upgraded set v = 'new' where id between 10 and 20;
delete from silver.upgraded where id >= 65000 and id < 65600;
`;

export function makeStatementsLake(project: string): Promise<string> {
  return makeLake(project, STATEMENTS);
}

export function makeV3Lake(project: string): Promise<string> {
  return makeLake(project, STATEMENTS_V3);
}

async function makeLake(project: string, statements: string): Promise<string> {
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, "tarn.yaml"), "project: peers\n");
  writeFileSync(join(project, "all.sql"), statements);
  const command = [programPath(), "sql", "-f", "all.sql"];
  await mustRun(command, { cwd: project, timeoutMs: RUN_MS_MAX });
  return join(project, "warehouse");
}
