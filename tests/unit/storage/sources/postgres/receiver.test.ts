/** Transactions out of messages, also those that no server can be made to send on demand. */

import { describe, expect, test } from "bun:test";
import { crc32 } from "node:zlib";
import { systemRandom } from "../../../../../cmd/clock.ts";
import { FrameCursor, type SegmentShape, shapeNumber } from "../../../../../core/ingest/segment.ts";
import { realDisk } from "../../../../../storage/disk/durable.ts";
import type { Relation } from "../../../../../storage/sources/postgres/pgoutput.ts";
import { Receiver } from "../../../../../storage/sources/postgres/receiver.ts";
import type { ShapeBook } from "../../../../../storage/sources/postgres/shapes.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

/** What was handed on: `xid@position table.columns type`, one line a row. */
async function received(messages: readonly Uint8Array[]): Promise<readonly string[]> {
  await using folder = await tempFolder();
  const lines: string[] = [];
  let last = 0;
  // parse: the receiver asks for numbers and shapes alone
  const shapes = {
    nextNumber: () => ++last,
    shapeOf: async ({ columns, ...relation }: Relation) => ({
      ...relation,
      shape: ++last,
      columns: columns.map(({ name, typeOid }) => ({ name, wire: { oid: typeOid } })),
    }),
  } as unknown as ShapeBook;
  const receiver = new Receiver({
    disk: realDisk,
    random: systemRandom,
    folder: folder.path,
    shapes,
    notice: () => {},
    isWanted: (_schema, table) => table !== "unwanted",
    onCommit: async (spool, { xid, position }) => {
      const names = new Map<number, string>();
      const pieces: Uint8Array[] = [];
      const target = {
        shape: ({ shape, table, columns }: SegmentShape) => {
          names.set(shape, `${table}.${columns.map(({ name }) => name).join("")}`);
        },
        count: () => {},
        flush: async () => {},
        // Pieces of a large one end anywhere.
        frames: (piece: Uint8Array) => pieces.push(piece.slice()),
      };
      await spool.drain(() => target);
      const bytes = Uint8Array.from(Buffer.concat(pieces));
      const cursor = new FrameCursor(crc32);
      for (let at = 0; cursor.read(bytes, at, bytes.length); at = cursor.next) {
        const type = String.fromCharCode(bytes[cursor.start + 4] ?? 0);
        const name = names.get(shapeNumber(bytes, cursor.start));
        lines.push(`${xid}@${Number.parseInt(position, 16)} ${name} ${type}`);
      }
    },
  });
  for (const message of messages) await receiver.take(message, 0, message.length);
  await receiver.clear();
  return lines;
}

describe("transactions that are sent when they are committed", () => {
  test("a row has the shape of its time", async () => {
    const messages = [
      begin(7),
      relation(1, "t", "a"),
      insert(1),
      relation(1, "t", "ab"),
      insert(1),
      commit(90),
    ];
    expect(await received(messages)).toEqual(["7@90 t.a I", "7@90 t.ab I"]);
  });

  test("a description lasts into the next transaction", async () => {
    const messages = [begin(7), relation(1, "t", "a"), commit(90), begin(8), insert(1), commit(95)];
    expect(await received(messages)).toEqual(["8@95 t.a I"]);
  });

  test("rows of tables that are not wanted are left out", async () => {
    const messages = [begin(7), relation(1, "unwanted", "a"), insert(1), commit(90)];
    expect(await received(messages)).toEqual([]);
  });

  test("a row of a table that was not described is no row to be guessed at", () => {
    expect(received([begin(7), insert(5)])).rejects.toThrow(/table 5, which it did not describe/);
  });

  test("a change outside of any transaction is refused", () => {
    expect(received([insert(5)])).rejects.toThrow(/outside of any transaction/);
  });

  test("a message of an unknown kind is refused, not skipped", () => {
    expect(received([begin(7), bytes("Z")])).rejects.toThrow(/what is not known here: message Z/);
  });

  test("a transaction that was prepared but not committed is refused: its slot is one with two_phase", () => {
    expect(received([bytes("b", u64(1))])).rejects.toThrow(/message b/);
  });
});

describe("transactions that are sent before they are committed", () => {
  test("D13: blocks of two come one after the other, and each is whole at its commit", async () => {
    const messages = [
      start(7),
      relation(1, "t", "a", 7),
      insert(1, 7),
      stop(),
      start(8),
      relation(1, "t", "a", 8),
      insert(1, 8),
      stop(),
      start(7),
      insert(1, 7),
      stop(),
      streamCommit(8, 80),
      streamCommit(7, 90),
    ];
    expect(await received(messages)).toEqual(["8@80 t.a I", "7@90 t.a I", "7@90 t.a I"]);
  });

  test("a shape in one that is open is not that of the others", async () => {
    const messages = [
      begin(5),
      relation(1, "t", "a"),
      insert(1),
      commit(50),
      start(7),
      relation(1, "t", "ab", 7),
      insert(1, 7),
      stop(),
      begin(6),
      insert(1),
      commit(60),
      streamCommit(7, 70),
    ];
    expect(await received(messages)).toEqual(["5@50 t.a I", "6@60 t.a I", "7@70 t.ab I"]);
  });

  test("once it is committed its shape is that of all", async () => {
    const messages = [
      start(7),
      relation(1, "t", "ab", 7),
      insert(1, 7),
      stop(),
      streamCommit(7, 70),
      begin(8),
      insert(1),
      commit(80),
    ];
    expect(await received(messages)).toEqual(["7@70 t.ab I", "8@80 t.ab I"]);
  });

  test("a subtransaction that was rolled back takes its rows with it, and no others", async () => {
    const messages = [
      start(7),
      relation(1, "t", "a", 7),
      insert(1, 7),
      insert(1, 71),
      insert(1, 72),
      stop(),
      abort(7, 71),
      start(7),
      relation(1, "t", "a", 7),
      insert(1, 72),
      stop(),
      streamCommit(7, 90),
    ];
    expect(await received(messages)).toHaveLength(3);
  });

  test("D11: one that was rolled back never comes; nor does its subtransaction of which nothing was sent", async () => {
    const messages = [
      start(7),
      relation(1, "t", "a", 7),
      insert(1, 7),
      stop(),
      abort(7, 79),
      abort(7, 7),
      begin(8),
      relation(1, "t", "a"),
      insert(1),
      commit(80),
    ];
    expect(await received(messages)).toEqual(["8@80 t.a I"]);
  });

  test("an abort of one that is not known changes nothing", async () => {
    expect(
      await received([abort(9, 9), begin(7), relation(1, "t", "a"), insert(1), commit(90)]),
    ).toEqual(["7@90 t.a I"]);
  });

  test("D11: a large one is on disk meanwhile, and comes in order", async () => {
    const rows = Array.from({ length: 60 }, () => insert(1, 7, 100_000));
    const messages = [start(7), relation(1, "t", "a", 7), ...rows, stop(), streamCommit(7, 90)];
    expect(await received(messages)).toHaveLength(60);
  });
});

function bytes(type: string, ...parts: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([type.charCodeAt(0), ...parts.flat()]);
}

function u32(value: number): number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
}

function u64(value: number): number[] {
  return [...u32(0), ...u32(value)];
}

function text(value: string): number[] {
  return [...new TextEncoder().encode(value), 0];
}

const begin = (xid: number) => bytes("B", u64(1), u64(0), u32(xid));
const commit = (lsn: number) => bytes("C", [0], u64(1), u64(lsn), u64(0));
const start = (xid: number) => bytes("S", u32(xid), [0]);
const stop = () => bytes("E");
const streamCommit = (xid: number, lsn: number) =>
  bytes("c", u32(xid), [0], u64(1), u64(lsn), u64(0));
const abort = (xid: number, sub: number) => bytes("A", u32(xid), u32(sub));

/** Columns are named by one letter each. */
function relation(oid: number, table: string, columns: string, xid?: number): Uint8Array {
  const described = [...columns].flatMap((name) => [
    0,
    ...text(name),
    ...u32(25),
    ...u32(0xffff_ffff),
  ]);
  const head = [...u32(oid), ...text("public"), ...text(table), "d".charCodeAt(0)];
  return bytes("R", xid === undefined ? [] : u32(xid), head, [0, columns.length], described);
}

function insert(oid: number, xid?: number, size = 0): Uint8Array {
  const rest = new Array<number>(size).fill(0);
  return bytes("I", xid === undefined ? [] : u32(xid), u32(oid), rest);
}
