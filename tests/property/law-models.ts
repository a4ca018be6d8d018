/** The models of the laws, in two versions, and what they mean in plain SQL over the rows that were landed. */

import { must } from "../../core/base/assert.ts";
import type { Model } from "../../core/model/model.ts";
import { parsed } from "../support/models.ts";

export const LOG = "silver.log";
export const LATEST = "silver.latest";
/** Every table that a model makes, in dependency order. */
export const TABLES = [
  LOG,
  LATEST,
  "silver.copy",
  "silver.pairs",
  "silver.day",
  "silver.alone",
  "silver.hostile",
  "gold.chain",
  "gold.last",
  "gold.seen",
  "gold.sum",
] as const;
export type LawTable = (typeof TABLES)[number];

/** Version 1, or the changed code. */
export type Code = 1 | 2;

const LOG_RULES = ["n > -3", "v <> ''"];
const JOINED = "from bronze.orders o left join bronze.rates r on o.v = r.v";
/** What is nothing in one version is empty in the other: a replay must tell them apart. */
const NESTED = {
  1: "case when o.n > 0 then [o.n] end as l, case when o.n < 0 then {'a': o.v} end as s",
  2: "case when o.n > 0 then [o.n] else [] end as l, case when o.n < 0 then {'a': o.v} else {'a': null} end as s",
};
const LOG_SQL = {
  1: `select o.id, upper(o.v) as v, o.ts, o.n, r.f, ${NESTED[1]} ${JOINED} where o.n is distinct from 2`,
  2: `select o.id, o.v || '!' as v, o.ts, o.n * 2 as n, r.f, ${NESTED[2]} ${JOINED} where o.n is distinct from 1`,
};
const LATEST_SQL = {
  1: `select o.id, o.v, o.ts, o.n, r.f, ${NESTED[1]} ${JOINED}`,
  2: `select o.id + case when o.n = 1 then 3 else 0 end as id, o.v || '!' as v, o.ts, o.n, r.f,
    ${NESTED[2]} ${JOINED} where o.n is distinct from 0`,
};
const RULES = { 1: LOG_RULES, 2: ["n > -2", "v <> 'b!'"] };
/** It looks at other rows, so that nothing less than all rows is exact. */
const ALONE = `tests:\n  - expect: "count(*) over (partition by id) = 1"\n    on_fail: drop`;
const SIDED = `tests:\n  - expect: "side <> ''"\n    on_fail: drop`;
const CHAIN_SQL = "select id, v, f from silver.log where id > 2";
const LAST_SQL = "select v, id, f from silver.log";
const SEEN_VIEW = "select id, v, n from bronze.orders where n is distinct from 2";
const SEEN_SQL = "select id, v, n from silver.seen_rows";
const PAIRS_SQL = "select id, unnest([n, n + 1]) as u from bronze.orders";
const DAY_SQL = "select id, (timezone('UTC', ts) + interval 20 hour)::date as d from bronze.orders";
/** Columns called like what generated SQL adds, or once did. */
const HOSTILE_SQL =
  "select id as place, n as known, v as side, ts as lake_row, n + 1 as lake_route from bronze.orders";
const SUM_SQL = "select v, count(*) as c, sum(n)::bigint as n from silver.latest group by v";

/** The project's models; the code of `silver.log` and `silver.latest` is that of `code`. */
export function lawModels(code: Code): Model[] {
  const [drop, aside] = RULES[code];
  const tests = `tests:\n  - expect: ${drop}\n    on_fail: drop\n  - expect: "${aside}"\n    on_fail: quarantine`;
  return [
    modelFrom("silver/seen_rows", "kind: view", SEEN_VIEW),
    modelFrom("silver/log", `kind: append\n${tests}`, LOG_SQL[code]),
    modelFrom("silver/latest", `kind: merge\nkey: id\nlatest_by: ts\n${tests}`, LATEST_SQL[code]),
    modelFrom("silver/copy", "kind: append", "select * from bronze.orders"),
    modelFrom("silver/pairs", "kind: append", PAIRS_SQL),
    modelFrom("silver/day", "kind: append", DAY_SQL),
    modelFrom("silver/alone", `kind: append\n${ALONE}`, "select id, v from bronze.orders"),
    modelFrom("silver/hostile", `kind: merge\nkey: place\nlatest_by: known\n${SIDED}`, HOSTILE_SQL),
    modelFrom("gold/chain", "kind: append", CHAIN_SQL),
    modelFrom("gold/last", "kind: merge\nkey: v\nlatest_by: id", LAST_SQL),
    modelFrom("gold/seen", "kind: merge\nkey: id\nlatest_by: n", SEEN_SQL),
    modelFrom("gold/sum", "kind: full", SUM_SQL),
  ];
}

const PLACES = "_batch, _source_file, _row, _ingested_at";

/**
 * Every row that the code makes of `orders` and `rates`, with the place it came from, and `way`: keep, drop or
 * quarantine. `orders` and `rates` are SELECTs.
 */
export function computedSql(
  table: typeof LOG | typeof LATEST,
  code: Code,
  orders: string,
  rates: string,
): string {
  const sql = (table === LOG ? LOG_SQL : LATEST_SQL)[code]
    .replace("select ", `select o._batch, o._source_file, o._row, o._ingested_at, `)
    .replace("bronze.orders", `(${orders})`)
    .replace("bronze.rates", `(${rates})`);
  const [drop, aside] = RULES[code];
  const noKey = table === LATEST ? "id is null or " : "";
  return `select id, v, ts, n, f, l, s, ${PLACES}, case when ${noKey}not coalesce(${aside}, true) then 'quarantine'
    when not coalesce(${drop}, true) then 'drop' else 'keep' end as way from (${sql})`;
}

/** The row of each id that wins. */
export function winnersOf(rows: string): string {
  return `select id, v, ts, n, f, l, s, ${PLACES} from (${rows}) qualify row_number() over (partition by id
    order by ts desc nulls last, _batch desc, _source_file desc, _row desc, row(id, v, ts, n, f, l, s) desc) = 1`;
}

/** What the models that never change are, of `log`, `latest` and `orders`. */
export function plainSql(
  table: Exclude<LawTable, typeof LOG | typeof LATEST>,
  from: {
    readonly log: string;
    readonly latest: string;
    readonly orders: string;
    /** That of the project, which only `silver.day` asks for. */
    readonly zone: string;
  },
): string {
  switch (table) {
    case "silver.copy":
      return `select id, v, ts, n, ${PLACES} from (${from.orders})`;
    case "silver.pairs":
      return `select id, unnest([n, n + 1]) as u, ${PLACES} from (${from.orders})`;
    case "silver.day":
      return `select id, ((timezone('UTC', ts) + interval 20 hour) at time zone '${from.zone}')::date as d,
        ${PLACES} from (${from.orders})`;
    case "silver.alone":
      return `select id, v from (${from.orders}) qualify count(*) over (partition by id) = 1`;
    case "silver.hostile":
      return `select id as place, n as known, v as side, ts as lake_row, n + 1 as lake_route, ${PLACES}
        from (${from.orders}) where id is not null and v is distinct from ''
        qualify row_number() over (partition by id order by n desc nulls last, _batch desc, _source_file desc,
          _row desc) = 1`;
    case "gold.chain":
      return `select id, v, f, ${PLACES} from (${from.log}) where id > 2`;
    case "gold.last":
      return `select v, id, f, ${PLACES} from (${from.log}) where v is not null
        qualify row_number() over (partition by v
          order by id desc nulls last, _batch desc, _source_file desc, _row desc, row(v, id, f) desc) = 1`;
    case "gold.seen":
      return `select id, v, n from (${from.orders}) where n is distinct from 2 and id is not null
        qualify row_number() over (partition by id order by n desc nulls last, row(id, v, n) desc) = 1`;
    case "gold.sum":
      return `select v, count(*) as c, sum(n)::bigint as n from (${from.latest}) group by v`;
  }
}

/** The visible columns of each table, and those with the places where its rows carry them. */
export const COLUMNS: Readonly<Record<LawTable, string>> = {
  [LOG]: `id, v, ts, n, f, l::varchar as l, s::varchar as s, ${PLACES}`,
  [LATEST]: `id, v, ts, n, f, l::varchar as l, s::varchar as s, ${PLACES}`,
  "silver.copy": `id, v, ts, n, ${PLACES}`,
  "silver.pairs": `id, u, ${PLACES}`,
  "silver.day": `id, d, ${PLACES}`,
  "silver.alone": "id, v",
  "silver.hostile": `place, known, side, lake_row, lake_route, ${PLACES}`,
  "gold.chain": `id, v, f, ${PLACES}`,
  "gold.last": `v, id, f, ${PLACES}`,
  "gold.seen": "id, v, n",
  "gold.sum": "v, c, n",
};

function modelFrom(path: string, front: string, sql: string): Model {
  const { model, errors } = parsed(`models/${path}.sql`, `/* tarn\n${front}\n*/\n${sql}\n`);
  return must(model, errors.map((error) => error.message).join("; "));
}
