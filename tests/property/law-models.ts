/** The models of the laws, in two versions, and what they mean in plain SQL over the rows that were landed. */

import { must } from "../../core/base/assert.ts";
import type { Model } from "../../core/model/model.ts";
import { parsed } from "../support/models.ts";

export const LOG = "silver.log";
export const LATEST = "silver.latest";
/** Every table that a model makes, in dependency order. */
export const TABLES = [LOG, LATEST, "gold.chain", "gold.last", "gold.seen", "gold.sum"] as const;
export type LawTable = (typeof TABLES)[number];

/** Version 1, or the changed code. */
export type Code = 1 | 2;

const LOG_RULES = ["n > -3", "v <> ''"];
const JOINED = "from bronze.orders o left join bronze.rates r on o.v = r.v";
const LOG_SQL = {
  1: `select o.id, upper(o.v) as v, o.ts, o.n, r.f ${JOINED} where o.n is distinct from 2`,
  2: `select o.id, o.v || '!' as v, o.ts, o.n * 2 as n, r.f ${JOINED} where o.n is distinct from 1`,
};
const LATEST_SQL = {
  1: `select o.id, o.v, o.ts, o.n, r.f ${JOINED}`,
  2: `select o.id + case when o.n = 1 then 3 else 0 end as id, o.v || '!' as v, o.ts, o.n, r.f
    ${JOINED} where o.n is distinct from 0`,
};
const RULES = { 1: LOG_RULES, 2: ["n > -2", "v <> 'b!'"] };
const CHAIN_SQL = "select id, v, f from silver.log where id > 2";
const LAST_SQL = "select v, id, f from silver.log";
const SEEN_VIEW = "select id, v, n from bronze.orders where n is distinct from 2";
const SEEN_SQL = "select id, v, n from silver.seen_rows";
const SUM_SQL = "select v, count(*) as c, sum(n)::bigint as n from silver.latest group by v";

/** The project's models; the code of `silver.log` and `silver.latest` is that of `code`. */
export function lawModels(code: Code): Model[] {
  const [drop, aside] = RULES[code];
  const tests = `tests:\n  - expect: ${drop}\n    on_fail: drop\n  - expect: "${aside}"\n    on_fail: quarantine`;
  return [
    modelFrom("silver/seen_rows", "kind: view", SEEN_VIEW),
    modelFrom("silver/log", `kind: append\n${tests}`, LOG_SQL[code]),
    modelFrom("silver/latest", `kind: merge\nkey: id\nlatest_by: ts\n${tests}`, LATEST_SQL[code]),
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
  return `select id, v, ts, n, f, ${PLACES}, case when ${noKey}not coalesce(${aside}, true) then 'quarantine'
    when not coalesce(${drop}, true) then 'drop' else 'keep' end as way from (${sql})`;
}

/** The row of each id that wins. */
export function winnersOf(rows: string): string {
  return `select id, v, ts, n, f, ${PLACES} from (${rows}) qualify row_number() over (partition by id
    order by ts desc nulls last, _batch desc, _source_file desc, _row desc, row(id, v, ts, n, f) desc) = 1`;
}

/** What the models that never change are, of `log`, `latest` and `orders`. */
export function plainSql(
  table: Exclude<LawTable, typeof LOG | typeof LATEST>,
  from: { readonly log: string; readonly latest: string; readonly orders: string },
): string {
  switch (table) {
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
  [LOG]: `id, v, ts, n, f, ${PLACES}`,
  [LATEST]: `id, v, ts, n, f, ${PLACES}`,
  "gold.chain": `id, v, f, ${PLACES}`,
  "gold.last": `v, id, f, ${PLACES}`,
  "gold.seen": "id, v, n",
  "gold.sum": "v, c, n",
};

function modelFrom(path: string, front: string, sql: string): Model {
  const { model, errors } = parsed(`models/${path}.sql`, `/* tarn\n${front}\n*/\n${sql}\n`);
  return must(model, errors.map((error) => error.message).join("; "));
}
