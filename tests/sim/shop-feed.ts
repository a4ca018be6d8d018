/**
 * A simulated database and its reader: committed transactions over two tables, which the server forgets once they are
 * confirmed, sealed in segments as a real reader seals them.
 */

import { crc32 } from "node:zlib";
import { LakeError } from "../../core/base/errors.ts";
import { FrameBuffer, type SegmentShape } from "../../core/ingest/segment.ts";
import type { ReaderRequest, SealedStretch, StreamReader } from "../../core/ingest/stream.ts";
import type { Random } from "../../core/ports.ts";
import type { Disk } from "../../storage/disk/disk.ts";
import { Durable } from "../../storage/disk/durable.ts";
import { emptyFolder } from "../../storage/sources/sealed-file.ts";
import { SegmentFile } from "../../storage/sources/segment-file.ts";
import {
  copied,
  int32,
  RELATION,
  type Sent,
  shapeColumn,
  tuple,
  UNCHANGED,
} from "../support/segment-file.ts";

export type ShopTable = "customers" | "orders";

/** A row: its id, and two texts. */
export interface ShopRow {
  readonly id: number;
  readonly name: string;
  /** A symbol where it was not sent, for it did not change. */
  readonly note: string | null | typeof UNCHANGED;
}

export type ShopChange =
  | { readonly op: "c"; readonly table: ShopTable; readonly row: ShopRow }
  | {
      readonly op: "u";
      readonly table: ShopTable;
      readonly row: ShopRow;
      readonly oldId: number | null;
    }
  | { readonly op: "d"; readonly table: ShopTable; readonly id: number }
  | { readonly op: "t"; readonly table: ShopTable };

export interface ShopTransaction {
  /** Where it ends. */
  readonly at: number;
  readonly changes: readonly ShopChange[];
}

/** How far it is read, and what is to be read again and was, with the point that its rows are as of. */
export interface ShopPosition {
  readonly at: number;
  readonly pending: readonly ShopTable[];
  readonly again: readonly (readonly [ShopTable, number])[];
}

export const SHOP_TABLES: readonly ShopTable[] = ["customers", "orders"];
/** The point that the rows of the beginning are as of. */
export const SHOP_BEGIN = 0x100;
const STRETCH_TRANSACTIONS = 2;

/** The rows that a table has after all transactions up to a point, by id. */
export function shopRows(
  first: Readonly<Record<ShopTable, readonly ShopRow[]>>,
  log: readonly ShopTransaction[],
  table: ShopTable,
  at: number,
): Map<number, ShopRow> {
  const rows = new Map(first[table].map((row) => [row.id, row]));
  for (const { changes } of log.filter((one) => one.at <= at)) {
    for (const change of changes) if (change.table === table) applied(rows, change);
  }
  return rows;
}

function applied(rows: Map<number, ShopRow>, change: ShopChange): void {
  if (change.op === "t") rows.clear();
  else if (change.op === "d") rows.delete(change.id);
  else {
    const oldId = change.op === "u" ? (change.oldId ?? change.row.id) : change.row.id;
    const note = change.row.note === UNCHANGED ? (rows.get(oldId)?.note ?? null) : change.row.note;
    rows.delete(oldId);
    rows.set(change.row.id, { ...change.row, note });
  }
}

export function shopPosition(text: string): ShopPosition {
  const [at = "", pending = "", again = ""] = text.split("|");
  const names = (list: string): string[] => list.split(",").filter((name) => name !== "");
  return {
    at: Number.parseInt(at, 16),
    // parse: names of tables, written below
    pending: names(pending) as ShopTable[],
    again: names(again).map((one) => {
      const [table, point = ""] = one.split("@");
      return [table as ShopTable, Number.parseInt(point, 16)]; // parse: written below
    }),
  };
}

export function shopPositionText({ at, pending, again }: ShopPosition): string {
  const points = again.map(([table, point]) => `${table}@${point.toString(16)}`);
  return [lsn(at), pending.join(","), points.join(",")].join("|");
}

/** As positions of rows begin. */
export function lsn(at: number): string {
  return at.toString(16).padStart(16, "0").toUpperCase();
}

export interface ShopServer {
  readonly first: Readonly<Record<ShopTable, readonly ShopRow[]>>;
  /** What is committed by now. */
  readonly log: readonly ShopTransaction[];
  /** All up to here is forgotten. */
  confirmed: number;
}

export class ShopReader implements StreamReader {
  readonly #server: ShopServer;
  readonly #request: ReaderRequest;
  readonly #durable: Durable;
  readonly #random: Random;
  #position: ShopPosition | null;

  static async open(
    request: ReaderRequest,
    server: ShopServer,
    { disk, random }: { readonly disk: Disk; readonly random: Random },
  ): Promise<ShopReader> {
    const durable = new Durable(disk, request.lakeRoot);
    await emptyFolder(durable, request.folder);
    const from = request.from === null ? null : shopPosition(request.from);
    if ((from?.at ?? 0) < server.confirmed) {
      throw new LakeError("input", `changes up to ${lsn(server.confirmed)} are forgotten`);
    }
    return new ShopReader(request, server, durable, random);
  }

  private constructor(
    request: ReaderRequest,
    server: ShopServer,
    durable: Durable,
    random: Random,
  ) {
    this.#request = request;
    this.#server = server;
    this.#durable = durable;
    this.#random = random;
    this.#position = request.from === null ? null : shopPosition(request.from);
  }

  get isCaughtUp(): boolean {
    const { at = 0, pending = [] } = this.#position ?? {};
    return pending.length === 0 && this.#after(at).length === 0 && this.#position !== null;
  }

  async next(): Promise<SealedStretch | null> {
    const position = this.#position;
    if (position === null) {
      const to = { at: SHOP_BEGIN, pending: [], again: [] };
      return await this.#seal(to, (file) => {
        for (const table of SHOP_TABLES) this.#rows(file, table, SHOP_BEGIN, false);
      });
    }
    const [table, ...pending] = position.pending;
    if (table !== undefined) {
      // Its rows are as of a point that no transaction has.
      const at = position.at + 1;
      const to = { at, pending, again: [...position.again, [table, at] as const] };
      return await this.#seal(to, (file) => this.#rows(file, table, at, true));
    }
    const taken = this.#after(position.at).slice(0, STRETCH_TRANSACTIONS);
    const last = taken.at(-1);
    if (last === undefined) return null;
    return await this.#seal({ ...position, at: last.at }, (file) => {
      for (const transaction of taken) this.#transaction(file, transaction);
    });
  }

  async acknowledge(position: string): Promise<void> {
    this.#server.confirmed = Math.max(this.#server.confirmed, shopPosition(position).at);
  }

  async close(): Promise<void> {}

  #after(at: number): readonly ShopTransaction[] {
    return this.#server.log.filter((one) => one.at > at);
  }

  async #seal(to: ShopPosition, write: (file: SegmentFile) => void): Promise<SealedStretch> {
    const from = this.#position === null ? lsn(0) : shopPositionText(this.#position);
    const path = `${this.#request.folder}/${this.#random.uuid()}`;
    const header = { kind: "postgres", source: this.#request.stream, from, server: {} };
    const file = new SegmentFile(this.#durable, path, header);
    write(file);
    const text = shopPositionText(to);
    const { sha256, sizeBytes, rows } = await file.seal(text);
    this.#position = to;
    const name = `${this.#request.stream}/${from}..${text}`;
    const sealed = { name, path, sha256, sizeBytes, newlines: 0 };
    return { to: text, files: [{ ...sealed, tables: Object.keys(rows) }] };
  }

  #rows(file: SegmentFile, table: ShopTable, at: number, replaces: boolean): void {
    const shape = SHAPES[table];
    const rows = [...shopRows(this.#server.first, this.#server.log, table, at).values()];
    file.shape(shape);
    const more = replaces ? ({ replaces: true } as const) : {};
    const range = { range: "all", firstRow: 0 };
    file.snapshot({ position: lsn(at), table: `public.${table}`, ...range, ...more });
    const bytes = rows.map((row) => copied(sent(row).map((value) => textBytes(value))));
    file.rows(shape, Buffer.concat(bytes), rows.length);
  }

  #transaction(file: SegmentFile, { at, changes }: ShopTransaction): void {
    for (const { table } of changes) file.shape(SHAPES[table]);
    file.transaction({
      position: lsn(at),
      xid: `${at}`,
      committedAt: `${1_764_000_000_000_000 + at}`,
    });
    for (const change of changes) {
      const shape = SHAPES[change.table];
      const frames = new FrameBuffer(crc32);
      const bytes = Buffer.concat(messageOf(change).map((part) => Buffer.from(part)));
      frames.message(shape.shape, bytes[0] ?? 0, bytes.subarray(1));
      file.frames(frames.take(true), 1);
      file.count(shape, 1);
    }
  }
}

const SHAPES: Readonly<Record<ShopTable, SegmentShape>> = {
  customers: shapeOf(1, "customers"),
  orders: shapeOf(2, "orders"),
};

function shapeOf(shape: number, table: ShopTable): SegmentShape {
  const columns = [
    shapeColumn("id", "int", 23, { key: true }),
    shapeColumn("name", "varchar", 25),
    shapeColumn("note", "varchar", 25),
  ];
  return { shape, schema: "public", table, columns, identity: "default" };
}

function messageOf(change: ShopChange): readonly (string | Uint8Array)[] {
  const key = (id: number): Buffer => tuple([`${id}`, null, null]);
  switch (change.op) {
    case "c":
      return ["I", RELATION, "N", tuple(sent(change.row))];
    case "u":
      return change.oldId === null
        ? ["U", RELATION, "N", tuple(sent(change.row))]
        : ["U", RELATION, "K", key(change.oldId), "N", tuple(sent(change.row))];
    case "d":
      return ["D", RELATION, "K", key(change.id)];
    case "t":
      return ["T", int32(1), Buffer.of(0), RELATION];
  }
}

function sent({ id, name, note }: ShopRow): readonly Sent[] {
  return [`${id}`, name, note];
}

function textBytes(value: Sent): Uint8Array | null {
  return typeof value === "string" ? Buffer.from(value) : null;
}
