/** A workbook that is written is one that lands again as it was: each value is exact, or a text. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { writeXlsx } from "../../../../cmd/format/xlsx.ts";
import { buildOf } from "../../../../cmd/lake/build.ts";
import { eachResult, lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { fileSink } from "../../../../cmd/render/sink.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const ALL = { select: [], exclude: [], full: false, models: true, sources: true };

async function written(session: Session, sql: string, path: string): Promise<bigint> {
  const file = await fileSink(path);
  let rowCount = 0n;
  try {
    await eachResult(session, sql, async (result) => {
      rowCount = await writeXlsx(result, "UTC", (bytes) => file.write(bytes));
    });
    await file.close();
  } catch (thrown) {
    await file.discard();
    throw thrown;
  }
  return rowCount;
}

test("what is written lands again as it was", async () => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, "drops/back"), { recursive: true });
  await using session = await openSession({ folder: folder.path, args: {} }, { engine: "test" });
  const path = join(folder.path, "drops/back/x.xlsx");
  const sql = `select * from (values
    (1, 12.50::decimal(12,2), 0.1::double, date '2026-01-31', timestamp '2026-01-31 10:20:30.125',
      true, 'a & <b> "ü" 日本', ' kept '),
    (-7, -0.01, 1e300, date '1999-12-31', timestamp '2026-12-31 23:59:59.999', false, 'line
end', null),
    (null, null, null, null, null, null, null, 'x'))
    t(i, d, f, day, moment, yes, words, odd)`;
  expect(await written(session, sql, path)).toBe(3n);
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
  await buildOf(session, ALL, { signal: new AbortController().signal, onEvent: () => undefined });
  const back = await lakeRows(
    session,
    "select i, d, f, day, moment, yes, words, odd from bronze.back",
  );
  expect(back).toEqual([
    {
      i: 1,
      d: 12.5,
      f: 0.1,
      day: "2026-01-31",
      moment: "2026-01-31 10:20:30.125",
      yes: true,
      words: 'a & <b> "ü" 日本',
      odd: " kept ",
    },
    {
      i: -7,
      d: -0.01,
      f: 1e300,
      day: "1999-12-31",
      moment: "2026-12-31 23:59:59.999",
      yes: false,
      words: "line\nend",
      odd: null,
    },
    { i: null, d: null, f: null, day: null, moment: null, yes: null, words: null, odd: "x" },
  ]);
});

test("what Excel would bend is text: long numbers, old days, parts of a millisecond, instants", async () => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, "drops/odd"), { recursive: true });
  await using session = await openSession({ folder: folder.path, args: {} }, { engine: "test" });
  const sql = `select 9007199254740993 as i, 1234567890123456.78::decimal(18,2) as d, date '1899-01-01' as day,
    timestamp '2026-01-31 10:20:30.123456' as at, timestamptz '2026-01-31 10:20:30+00' as z, 'nan'::double as f`;
  const path = join(folder.path, "drops/odd/x.xlsx");
  await written(session, sql, path);
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
  await buildOf(session, ALL, { signal: new AbortController().signal, onEvent: () => undefined });
  const [row] = await lakeRows(session, "select columns(*)::varchar from bronze.odd");
  expect(row).toEqual({
    i: "9007199254740993",
    d: "1234567890123456.78",
    day: "1899-01-01",
    at: "2026-01-31 10:20:30.123456",
    z: "2026-01-31 10:20:30+00",
    f: "nan",
  });
});

test("what no sheet can hold is refused, and no file is left", async () => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, "drops/odd"), { recursive: true });
  await using session = await openSession({ folder: folder.path, args: {} }, { engine: "test" });
  const path = join(folder.path, "x.xlsx");
  for (const [sql, message] of [
    ["select repeat('x', 40000) as t", "a cell holds 32767 characters, and a text here 40000"],
    ["from range(1048576)", "a sheet has at most 1048576 rows"],
  ] as const) {
    await expect(written(session, sql, path)).rejects.toThrow(message);
  }
});
