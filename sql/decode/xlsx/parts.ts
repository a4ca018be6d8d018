/** The parts of a spreadsheet's zip, unpacked as they are read, within a limit, their checksums verified. */

import { createReadStream } from "node:fs";
import { crc32, createInflateRaw } from "node:zlib";
import { SHEET_BYTES_MAX } from "../../../core/limits.ts";
import { type ZipEntry, zipEntries } from "../packing/compression.ts";
import { Unreadable } from "../unreadable.ts";
import { type XmlHandler, XmlReader } from "./xml.ts";

const STORED = 0;
const DEFLATED = 8;

export class XlsxParts {
  #path: string;
  #entries: ReadonlyMap<string, ZipEntry>;
  #bytes = 0;

  /** Throws Unreadable when the zip is broken. */
  constructor(path: string) {
    this.#path = path;
    this.#entries = new Map(zipEntries(path).map((entry) => [nameOf(entry.name), entry]));
  }

  has(name: string): boolean {
    return this.#entries.has(nameOf(name));
  }

  /** Reads a part to its end. */
  async parse(name: string, handler: XmlHandler): Promise<void> {
    const reader = new XmlReader(handler);
    for await (const text of this.texts(name)) reader.feed(text);
    reader.end();
  }

  /** The text of a part in pieces. Throws Unreadable. */
  async *texts(name: string): AsyncGenerator<string> {
    const entry = this.#entries.get(nameOf(name));
    if (entry === undefined) throw new Unreadable("unreadable", `the spreadsheet has no ${name}`);
    let decoder: TextDecoder | null = null;
    let crc = 0;
    try {
      for await (const chunk of this.#chunks(entry)) {
        crc = crc32(chunk, crc);
        this.#count(chunk.length);
        decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
        yield decoder.decode(chunk, { stream: true });
      }
      yield decoder?.decode() ?? "";
    } catch (thrown) {
      if (thrown instanceof Unreadable) throw thrown;
      const text = thrown instanceof Error ? thrown.message : String(thrown);
      throw new Unreadable("unreadable", `${entry.name} in the spreadsheet is broken: ${text}`);
    }
    if (crc !== entry.crc) {
      throw new Unreadable("unreadable", `${entry.name} in the spreadsheet fails its checksum`);
    }
  }

  async *#chunks(entry: ZipEntry): AsyncGenerator<Buffer> {
    if (entry.encrypted) throw new Unreadable("unreadable", "the spreadsheet is encrypted");
    if (entry.method !== STORED && entry.method !== DEFLATED) {
      const text = `${entry.name} in the spreadsheet is packed by method ${entry.method}`;
      throw new Unreadable("unreadable", text);
    }
    if (entry.packedBytes === 0) return;
    const end = entry.start + entry.packedBytes - 1;
    const source = createReadStream(this.#path, { start: entry.start, end });
    if (entry.method === STORED) {
      yield* source;
      return;
    }
    const inflate = createInflateRaw();
    source.on("error", (cause) => inflate.destroy(cause));
    try {
      yield* source.pipe(inflate);
    } finally {
      source.destroy();
    }
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > SHEET_BYTES_MAX) {
      const text = `the spreadsheet unpacks to more than ${SHEET_BYTES_MAX} bytes`;
      throw new Unreadable("limit", text);
    }
  }
}

/** Names are compared ignoring case, and some writers use the other slash. */
function nameOf(name: string): string {
  return name.replaceAll("\\", "/").replace(/^\/+/, "").toLowerCase();
}

function encodingOf(head: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  return head[0] === 0xfe && head[1] === 0xff ? "utf-16be" : "utf-8";
}
