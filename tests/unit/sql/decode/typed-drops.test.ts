/** Avro and XLSX files through the whole engine: workers, contracts that grow, quarantine and its ledger. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Terminal } from "../../../../cmd/command.ts";
import { runBuild } from "../../../../cmd/commands/build.ts";
import { runLoad } from "../../../../cmd/commands/load.ts";
import { runQuarantine } from "../../../../cmd/commands/quarantine-run.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { createStyle } from "../../../../cmd/render/style.ts";
import { must } from "../../../../core/base/assert.ts";
import { replayOriginals } from "../../../../core/ingest/originals.ts";
import { type AvroJson, avroFile, avroRecord } from "../../../support/avro-file.ts";
import { tempFolder } from "../../../support/temp-folder.ts";
import { cell, raw, row, xlsxFile } from "../../../support/xlsx-file.ts";

setDefaultTimeout(120_000);

const BUILD = { select: [], exclude: [], full: false, models: true, sources: true };
const SIGNAL = new AbortController().signal;
const SILENT: Terminal = {
  style: createStyle(false),
  json: false,
  quiet: true,
  debug: false,
  width: 200,
  interactive: false,
  line: () => undefined,
  note: () => undefined,
  document: () => undefined,
  failures: ([first]) => {
    throw first;
  },
};

async function drop(root: string, file: string, bytes: Uint8Array | string): Promise<void> {
  const path = join(root, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
}

async function session(root: string): Promise<Session> {
  return await openSession({ folder: root, args: { threads: "1" } }, { engine: "test" });
}

async function build(lake: Session): Promise<void> {
  await lake.reload();
  await runBuild(lake, BUILD, SILENT, new AbortController().signal);
}

const LEDGER = `select sum(rows_in) = sum(rows_landed + rows_quarantined) as balanced from lake.ledger`;

function events(fields: Readonly<Record<string, AvroJson>>, rows: readonly unknown[]): Buffer {
  return avroFile(avroRecord(fields), rows, { codec: "deflate", blockRows: 2 });
}

test("Avro: a schema that grows and a file that is broken", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const seen: AvroJson = { type: "long", logicalType: "timestamp-millis" };
  const first = events({ id: "int", seen, who: ["null", "string"] }, [
    { id: 1, seen: 0n, who: { string: "a" } },
    { id: 2, seen: 1n, who: null },
  ]);
  await drop(root, "drops/events/1.avro", first);
  await using lake = await session(root);
  await build(lake);
  const inner = { type: "record", name: "Inner", fields: [{ name: "x", type: "bytes" }] };
  const second = events({ id: "long", seen, who: "string", more: ["null", inner] }, [
    { id: 2n ** 60n, seen: 2n, who: "b", more: { Inner: { x: Buffer.of(0xff) } } },
  ]);
  await drop(root, "drops/events/2.avro", second);
  await drop(root, "drops/events/3.avro", first.subarray(0, first.length - 5));
  await build(lake);
  const rows = await lakeRows(
    lake,
    `select id::varchar as id, seen::varchar as seen, who, more::varchar as more, _row::int as row
     from bronze.events order by events.seen`,
  );
  expect(rows).toEqual([
    { id: "1", seen: "1970-01-01 00:00:00+00", who: "a", more: null, row: 1 },
    { id: "2", seen: "1970-01-01 00:00:00.001+00", who: null, more: null, row: 2 },
    {
      id: String(2n ** 60n),
      seen: "1970-01-01 00:00:00.002+00",
      who: "b",
      more: "{'x': \\xFF}",
      row: 1,
    },
  ]);
  const aside = await lakeRows(lake, "select file, position, reason from bronze_quarantine.events");
  expect(aside).toEqual([{ file: "drops/events/3.avro", position: "file", reason: "unreadable" }]);
});

test("XLSX: options of the source, errors set aside, columns that widen", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const config = `sources:
  sales:
    path: drops/sales/**
    sheet: Sales
    header_row: 3
`;
  await writeFile(join(root, "tarn.yaml"), config);
  const header = row(3, cell("A3", "sku"), cell("B3", "n"), cell("C3", "day"));
  const sales = (...rows: readonly string[]): Buffer =>
    xlsxFile({
      sheets: {
        Notes: row(1, cell("A1", "?")),
        Sales: row(1, cell("A1", "Report")) + header + rows.join(""),
      },
      formats: [14],
    });
  await drop(
    root,
    "drops/sales/1.xlsx",
    sales(
      row(4, cell("A4", "007"), cell("B4", 1), cell("C4", 45292, 1)),
      row(5, cell("A5", "008"), raw("B5", "e", "#N/A"), cell("C5", 45293, 1)),
      row(7, cell("A7", "009"), cell("B7", 3), cell("C7", 45294, 1)),
    ),
  );
  await using lake = await session(root);
  await build(lake);
  const second = sales(row(4, cell("A4", "010"), cell("B4", 1.5), raw("C4", "n", "45295.5", 1)));
  await drop(root, "other/2.xlsx", second);
  const load = { files: [join(root, "other/2.xlsx")], into: "sales", format: null };
  await runLoad(lake, load, SILENT, new AbortController().signal);
  const rows = await lakeRows(
    lake,
    "select sku, n::varchar as n, day::varchar as day from bronze.sales order by sku",
  );
  expect(rows).toEqual([
    { sku: "007", n: "1.0", day: "2024-01-01 00:00:00" },
    { sku: "009", n: "3.0", day: "2024-01-03 00:00:00" },
    { sku: "010", n: "1.5", day: "2024-01-04 12:00:00" },
  ]);
  const aside = await lakeRows(
    lake,
    "select position, reason, column_name, raw from bronze_quarantine.sales",
  );
  expect(aside).toEqual([
    {
      position: "row 5",
      reason: "type",
      column_name: "n",
      raw: '{"sku":"008","n":"#N/A","day":"2024-01-02"}',
    },
  ]);
  expect(await lakeRows(lake, LEDGER)).toEqual([{ balanced: true }]);
});

test("a corrected row of Avro lands by retry, and in its place by a replay from originals", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const types = "columns: { id: bigint, n: int, seen: timestamptz }";
  await writeFile(join(root, "tarn.yaml"), `sources:\n  events:\n    ${types}\n`);
  const seen: AvroJson = { type: "long", logicalType: "timestamp-millis" };
  const file = events({ id: "int", n: "long", seen }, [
    { id: 1, n: 1n, seen: 1n },
    { id: 2, n: 2n ** 40n, seen: 2n },
    { id: 3, n: 3n, seen: 3n },
  ]);
  await drop(root, "drops/events/1.avro", file);
  await using lake = await session(root);
  await build(lake);
  const [aside] = await lakeRows(lake, "select id, raw from bronze_quarantine.events");
  const text = String(aside?.raw).replace(String(2n ** 40n), "2");
  const every = { source: "events", ids: [], reason: null, where: null, all: false };
  const texts = [[String(aside?.id), text]] as const;
  const given = {
    action: "retry",
    selection: every,
    set: null,
    raw: null,
    texts,
    dryRun: false,
  } as const;
  await runQuarantine(lake, given, SILENT, SIGNAL);
  const select = "select id::int as id, n, seen::varchar as seen from bronze.events";
  const rows = [
    { id: 1, n: 1, seen: "1970-01-01 00:00:00.001+00" },
    { id: 2, n: 2, seen: "1970-01-01 00:00:00.002+00" },
    { id: 3, n: 3, seen: "1970-01-01 00:00:00.003+00" },
  ];
  expect(await lakeRows(lake, `${select} order by id`)).toEqual(rows);
  const [{ config } = { config: null }] = (await lake.drops()).sources;
  const why = { dryRun: false, why: "test" };
  await replayOriginals(lake.ports, must(config, "the source"), lake.settings, why);
  expect(await lakeRows(lake, `${select} order by _row`)).toEqual(rows);
});

test("a source whose only file cannot be read has it in quarantine", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const file = events({ id: "int" }, [{ id: 1 }]);
  await drop(root, "drops/events/1.avro", file.subarray(0, 40));
  await using lake = await session(root);
  await build(lake);
  const quarantined = "select file, reason, message from bronze_quarantine.events";
  const [aside] = await lakeRows(lake, quarantined);
  expect(aside).toMatchObject({ file: "drops/events/1.avro", reason: "unreadable" });
  expect(String(aside?.message)).toContain("header of the Avro file is broken");
  await drop(root, "drops/events/2.avro", file);
  await build(lake);
  expect(await lakeRows(lake, "select id from bronze.events")).toEqual([{ id: 1 }]);
  expect(await lakeRows(lake, quarantined)).toHaveLength(1);
});
