/**
 * A reader that looks all the time never sees a row that a test forbids, however often runs fail and are mended; and
 * what was set aside, put right and replayed twice is there once.
 *
 * TARN_PROPERTY_RUNS multiplies the number of runs that fail.
 */

import { expect, test } from "bun:test";
import { MODEL_TOOLS } from "../../cmd/project/model-tools.ts";
import { parseYaml } from "../../cmd/project/yaml.ts";
import { must } from "../../core/base/assert.ts";
import { parseCorrection } from "../../core/model/correction-file.ts";
import { NO_MACROS } from "../../core/model/macros.ts";
import { NO_VARIABLES } from "../../core/model/variables.ts";
import { correctionText } from "../../sql/syntax/correction.ts";
import { model } from "../support/models.ts";
import { LawLake, ORDERS } from "./law-lake.ts";

const FAILING = 10 * Number(process.env.TARN_PROPERTY_RUNS ?? "1");
const TIMEOUT_MS = 120_000 + FAILING * 10_000;
const AUDITED = "silver.audited";
const MENDED = "silver.mended";
const SUMS = "gold.sums";

test(
  "no bad row is ever read, and what is mended twice is there once",
  async () => {
    await using lake = await LawLake.open(() => [
      model(AUDITED, "select id, n from bronze.orders", rule("append", "fail")),
      model(MENDED, "select id, n from bronze.orders", rule("append", "quarantine")),
      model(SUMS, `select id, sum(n)::bigint as n from ${AUDITED} group by id`),
    ]);
    const mending = [correction()];
    let failed = 0;
    await lake.land(ORDERS, orders(0, 1));
    await lake.build(1, null);
    for (let batch = 1; batch <= FAILING; batch++) {
      lake.corrections = [];
      await lake.land(ORDERS, orders(batch, batch % 3 === 0 ? -3 : -1));
      const build = lake.build(1, null).catch((thrown: unknown) => thrown);
      const outcome = await readWhile(lake, build);
      if (outcome instanceof Error && outcome.message.startsWith(AUDITED)) failed += 1;
      lake.corrections = mending;
      const mended = lake.build(1, null);
      await readWhile(lake, mended);
    }
    expect(failed).toBe(FAILING);
    for (let again = 0; again < 2; again++) {
      const { tables } = await lake.replay(1, new Set([AUDITED, MENDED, SUMS]), null);
      for (const { model: name, diff } of tables) {
        expect([name, diff.added + diff.removed + diff.changed]).toEqual([name, 0n]);
      }
    }
    const count = 2 * (FAILING + 1);
    for (const name of [AUDITED, MENDED]) {
      const [row] = await lake.rows(name, "select count(*) as n, count(distinct id) as ids from t");
      expect([name, row?.n, row?.ids]).toEqual([name, BigInt(count), BigInt(count)]);
    }
    expect(await lake.rows("silver_quarantine.mended", "select raw from t")).toEqual([]);
  },
  TIMEOUT_MS,
);

function rule(kind: string, action: string): string {
  return `kind: ${kind}\ntests:\n  - expect: n >= 0\n    on_fail: ${action}`;
}

/** Looks until the work has ended, and once more. */
async function readWhile<T>(lake: LawLake, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  for (let isLast = false; !isLast; ) {
    isLast = isDone;
    for (const name of [AUDITED, MENDED, SUMS]) {
      expect([name, await lake.rows(name, "select * from t where n < 0")]).toEqual([name, []]);
    }
  }
  return await done;
}

function orders(batch: number, n: number): string {
  const rows = [`(${batch * 2}::BIGINT, ${n}::INT)`, `(${batch * 2 + 1}::BIGINT, 2::INT)`];
  return `SELECT id, 'a' AS v, TIMESTAMP '2026-01-01' AS ts, n, 'orders' AS _source,
      'drops/${batch}.csv' AS _source_file, 'b${batch}' AS _batch,
      TIMESTAMPTZ '2026-01-01 00:00:00+00' AS _ingested_at FROM (VALUES ${rows.join(", ")}) AS t(id, n)`;
}

function correction() {
  const given = { onFailOf: () => null, variables: NO_VARIABLES, macros: NO_MACROS };
  const time = { timezone: "UTC", nowMs: 0 };
  const context = { parseYaml, ...MODEL_TOOLS, ...given, cut: correctionText, ...time };
  const text = "/* tarn\ninput: bronze.orders\n*/\nSET n = -n WHERE n < 0";
  const read = parseCorrection("corrections/signs.sql", text, context);
  return must(read.correction, read.errors.map((error) => error.message).join("; "));
}
