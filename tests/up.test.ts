/** `tarn up` while its lake is put right: corrections that come and go, and commands that go over its socket. */

import { expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BINARY } from "../examples/shop/binary.ts";
import { drop, rows, tarn } from "./support/binary.ts";
import { tempFolder } from "./support/temp-folder.ts";

const TIMEOUT_MS = 120_000;
const YEN = "/* tarn\ninput: bronze.orders\n*/\nSET cents = cents * 100 WHERE cur = 'JPY'\n";

/** A program that goes on, and what it has said. */
class Running implements AsyncDisposable {
  readonly #child;
  #said = "";
  #told: () => void = () => undefined;

  constructor(folder: string) {
    this.#child = Bun.spawn([BINARY, "up"], {
      ...{ cwd: folder, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
      env: { ...process.env, NO_COLOR: "1" },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) void this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#said += decoder.decode(chunk, { stream: true });
      this.#told();
    }
  }

  /** What it has said up to a text that it says from now on, or has said since the last one. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.#said.indexOf(text);
      if (at >= 0) {
        const said = this.#said.slice(0, at + text.length);
        this.#said = this.#said.slice(said.length);
        return said;
      }
      await new Promise<void>((resolve) => {
        this.#told = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
  }
}

test(
  "under up: corrections are adopted as a whole or not at all; undo and replay go through it",
  async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const sums = () => rows(root, "from gold.sums order by cur");
    await drop(root, "drops/orders/a.csv", "id,cents,cur\n1,100,EUR\n2,2,JPY\n");
    await drop(root, "models/silver/orders.sql", "select id, cents, cur from bronze.orders\n");
    await drop(
      root,
      "models/gold/sums.sql",
      "select cur, sum(cents)::bigint as cents, count(*) as n from silver.orders group by cur\n",
    );
    await drop(root, "corrections/.keep", "");
    await using up = new Running(root);
    await up.until("gold.sums@1");
    await writeFile(join(root, "corrections/yen.sql"), YEN);
    await up.until("gold.sums@2");
    expect(await sums()).toEqual(["EUR,100,1", "JPY,200,1"]);

    // A column that is not there, and a file that says nothing: what held holds, and what comes is read by it.
    const wrong = join(root, "corrections/wrong.sql");
    await writeFile(wrong, "/* tarn\ninput: bronze.orders\n*/\nSET nope = 1\n");
    expect(await up.until("the old models go on")).toContain("has no column nope");
    await drop(root, "drops/orders/b.csv", "id,cents,cur\n3,3,JPY\n");
    await up.until("gold.sums@3");
    expect(await sums()).toEqual(["EUR,100,1", "JPY,500,2"]);
    await writeFile(wrong, "/* tarn\ninput: bronze.orders\n*/\nSEND it\n");
    await up.until("the old models go on");
    await drop(root, "drops/orders/c.csv", "id,cents,cur\n4,4,JPY\n");
    await up.until("gold.sums@4");
    expect(await sums()).toEqual(["EUR,100,1", "JPY,900,3"]);
    expect(await rows(root, "select correction from lake.corrections")).toEqual(["yen"]);
    await rm(wrong);
    await up.until("models reloaded");

    const refused = await tarn(root, ["undo", "silver.orders"]);
    expect([refused.code, refused.err]).toEqual([3, expect.stringContaining("1 run built on")]);
    const undone = await tarn(root, ["undo", "silver.orders", "--cascade"]);
    expect([undone.code, undone.err]).toEqual([0, expect.any(String)]);
    expect(undone.out).toContain("gold.sums@5 now holds what @3 held");
    expect(await sums()).toEqual(["EUR,100,1", "JPY,500,2"]);
    const again = await tarn(root, ["undo", "silver.orders", "--cascade"]);
    expect([again.code, again.err]).toEqual([3, expect.stringContaining("was set back since")]);

    // What is new has both computed from all there is: the row that was taken back is there, once.
    await drop(root, "drops/orders/d.csv", "id,cents,cur\n5,5,EUR\n");
    await up.until("gold.sums@6");
    expect(await sums()).toEqual(["EUR,105,2", "JPY,900,3"]);
    const replayed = await tarn(root, ["replay", "silver.orders+", "--by", "_ingested_at"]);
    expect([replayed.code, replayed.err]).toEqual([0, expect.any(String)]);
    expect(replayed.out).toContain("no difference");

    await rm(join(root, "corrections/yen.sql"));
    await up.until("gold.sums@7");
    expect(await sums()).toEqual(["EUR,105,2", "JPY,9,3"]);
    expect(await rows(root, "select count(*) from lake.corrections")).toEqual(["0"]);
  },
  TIMEOUT_MS,
);
