/** Where a text that goes on is read on: whatever it was cut at, each row lands once and as it stands at last. */

import { expect, test } from "bun:test";
import { Harness, T } from "./harness.ts";

interface Growing {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly types: Readonly<Record<string, (typeof T)["string"]>>;
}

const CSV = 'id,v\n1,one\n2,"two ""x"""\n3,"a\nb, c\n"\n4,vier é\n5,\n';
const JSON_LINES = '{"id":"1","v":"é"}\n{"id":"2","v":"b\\n"}\n{"id":"3","v":null}\n';
const TYPES = { id: T.string, v: T.string };

function utf16(text: string, isBig: boolean): Uint8Array {
  const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
  return isBig ? bytes.swap16() : bytes;
}

const GROWING: readonly Growing[] = [
  { name: "log.csv", bytes: Buffer.from(CSV), types: TYPES },
  { name: "returns.csv", bytes: Buffer.from(CSV.replaceAll("\n", "\r\n")), types: TYPES },
  { name: "marked.csv", bytes: Buffer.from(`\ufeff${CSV}`), types: TYPES },
  { name: "little.csv", bytes: utf16(CSV, false), types: TYPES },
  { name: "big.csv", bytes: utf16(CSV, true), types: TYPES },
  { name: "log.jsonl", bytes: Buffer.from(JSON_LINES), types: TYPES },
  {
    name: "little-returns.jsonl",
    bytes: utf16(JSON_LINES.replaceAll("\n", "\r\n"), false),
    types: TYPES,
  },
  {
    name: "big-returns.csv",
    bytes: utf16("id,v\r\n1,a\r\n2,b\r\n3,c\r\n", true),
    types: TYPES,
  },
  { name: "little.jsonl", bytes: utf16(JSON_LINES, false), types: TYPES },
];

/** The rows as landing keeps them: those of the first piece but its open ones, then those of the second. */
async function grown(harness: Harness, { name, bytes, types }: Growing, cut: number) {
  const first = await harness.decode([harness.file(name, bytes.subarray(0, cut))], types, POLICY);
  const [{ end = null, rowsIn } = { rowsIn: 0 }] = first.decoded.files;
  // Of what landed nothing the whole is read again.
  if (end === null && first.rows.length > 0) return null;
  const kept = first.rows.slice(0, first.rows.length - (end?.rows ?? 0));
  const fromByte = rowsIn === 0 ? 0 : (end?.byte ?? 0);
  const rest = await harness.decode([harness.file(name, bytes, { fromByte })], types, POLICY);
  return [...kept, ...rest.rows].map((row) => [row.id, row.v]);
}

const POLICY = { onMisfit: "quarantine", onUnknown: "quarantine" } as const;

/** At each line end all bytes are tried; of the others one in so many, drawn by TARN_SEED. TARN_TEXT_ENDS=1: all. */
const SHARE = Number(process.env.TARN_TEXT_ENDS ?? "5");
const DRAWN = Number(process.env.TARN_SEED ?? "0") % SHARE;

function isTried(bytes: Uint8Array, cut: number): boolean {
  const around = bytes.subarray(Math.max(0, cut - 2), cut + 1);
  return cut % SHARE === DRAWN || around.includes(10) || around.includes(13);
}

for (const growing of GROWING) {
  test(`${growing.name} seen at any byte lands each row once`, async () => {
    await using harness = await Harness.open();
    const { name, bytes, types } = growing;
    const whole = await harness.decode([harness.file(name, bytes)], types, POLICY);
    const wanted = whole.rows.map((row) => [row.id, row.v]);
    // A header that is cut names other columns: what is learned from it is another test's business.
    const header = name.endsWith("csv") ? Math.ceil(bytes.length / 4) : 3;
    const wrong: unknown[] = [];
    for (let cut = header; cut < bytes.length; cut++) {
      if (!isTried(bytes, cut)) continue;
      const found = await grown(harness, growing, cut);
      if (found === null || !Bun.deepEquals(found, wanted)) wrong.push([cut, found]);
    }
    expect([wanted.length > 2, wrong]).toEqual([true, []]);
  });
}

test("of a text whose lines end in a return alone it is not known where it is finished", async () => {
  await using harness = await Harness.open();
  const { decoded } = await harness.decode(
    [harness.file("x.csv", "id,v\r1,a\r2,b\r")],
    TYPES,
    POLICY,
  );
  expect([decoded.files[0]?.rowsLanded, decoded.files[0]?.end]).toEqual([2, null]);
});

test("behind a stray quote far back no record is in the making", async () => {
  await using harness = await Harness.open();
  const text = `id,v\n1,"a\n${"2,b\n".repeat(300_000)}`;
  const { decoded } = await harness.decode([harness.file("x.csv", text)], TYPES, POLICY);
  const end = decoded.files[0]?.end;
  expect([decoded.files[0]?.rowsLanded, end?.byte]).toEqual([300_000, text.length]);
});
