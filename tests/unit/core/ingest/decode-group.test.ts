/** A group of files: one that cannot be read with the others costs only itself. */

import { expect, test } from "bun:test";
import { LakeError } from "../../../../core/base/errors.ts";
import { defaultSource } from "../../../../core/config/default-source.ts";
import type { ClaimedFile, Decoded, Inspected } from "../../../../core/engine.ts";
import { quarantineTarget } from "../../../../core/ingest/bronze-table.ts";
import { type DecodePorts, decodeGroup } from "../../../../core/ingest/decode-group.ts";

const RANDOM = { uuid: () => "u", int63: () => 1n, fraction: () => 0.5 };
const UNBOUND = new LakeError("sql", "does not bind", { scope: "file" });

function file(name: string): ClaimedFile {
  return { name, path: `/${name}`, sha256: name, sizeBytes: 1, fromByte: 0, newlines: 1 };
}

/** An engine that reads every group but one with a file called bad. */
function portsThatRefuse(refused: (names: readonly string[]) => boolean, error: LakeError) {
  const type = { kind: "primitive", name: "long" } as const;
  const inspect = async (request: { files: readonly ClaimedFile[] }): Promise<Inspected> => ({
    files: request.files.map(({ name }) => ({
      name,
      dialect: DIALECT,
      columns: [{ name: "id", type, unseen: false }],
      guessed: false,
      fault: null,
    })),
  });
  const decode = async (request: { files: readonly ClaimedFile[] }): Promise<Decoded> => {
    const names = request.files.map(({ name }) => name);
    if (refused(names)) throw error;
    const files = names.map((name) => ({ ...ONE_ROW, name }));
    return { files, data: { files: [], rows: 0n }, rejects: null, examples: [] };
  };
  const ports = {
    io: { stagingFolder: async () => "/staging" },
    engine: { inspect, decode },
    catalog: {},
    random: RANDOM,
  };
  return ports as unknown as DecodePorts; // parse: all that a group without a table calls
}

const DIALECT = {
  format: "json",
  encoding: "utf-8",
  compression: "none",
  delimiter: null,
  quote: null,
  header: false,
  escapeMark: null,
  comment: null,
  padded: false,
  closing: 0,
  mended: null,
  skip: 0,
  jsonLayout: "lines",
} as const;
const ONE_ROW = {
  dialect: DIALECT,
  rowsIn: 1,
  rowsLanded: 1,
  rowsQuarantined: 0,
  fault: null,
  misfits: [],
};

function group(names: readonly string[], beforeLanding: Readonly<Record<string, string>> = {}) {
  return {
    batch: "b",
    ingestedAtMs: 0,
    source: { ...defaultSource("s", "drops/s/**"), beforeLanding },
    contract: null,
    table: null,
    quarantine: quarantineTarget("bronze_quarantine.s", null, RANDOM),
    files: names.map(file),
    fixes: [],
    memoryBytes: 1,
    threads: 1,
  };
}

const hasBad = (names: readonly string[]): boolean => names.includes("bad");

test("decodeGroup sets a file aside that no statement binds with, and reads the others", async () => {
  const ports = portsThatRefuse(hasBad, UNBOUND);
  const decoded = await decodeGroup(ports, group(["a", "b", "bad", "c", "d"]));
  expect([
    decoded.files.map(({ name }) => name),
    decoded.setAside.map(({ file: { name }, message }) => [name, message]),
  ]).toEqual([["a", "b", "c", "d"], [["bad", "does not bind"]]]);
});

test("decodeGroup reads the first of two files that cannot be read together", async () => {
  const both = (names: readonly string[]): boolean => names.includes("a") && names.includes("d");
  const decoded = await decodeGroup(portsThatRefuse(both, UNBOUND), group(["a", "b", "c", "d"]));
  expect(decoded.files.map(({ name }) => name)).toEqual(["a", "b", "c"]);
});

test("decodeGroup sets the only file aside", async () => {
  const decoded = await decodeGroup(portsThatRefuse(hasBad, UNBOUND), group(["bad"]));
  expect(decoded.setAside.map(({ file: { name } }) => name)).toEqual(["bad"]);
});

test("decodeGroup takes SQL of the settings for what fails, not the files", async () => {
  const decoding = decodeGroup(
    portsThatRefuse(() => true, UNBOUND),
    group(["a"], { id: "x(id)" }),
  );
  expect(decoding).rejects.toBe(UNBOUND);
});

test("decodeGroup throws what is the disk's failure, whichever files are read", async () => {
  const full = new LakeError("io", "the disk is full");
  expect(decodeGroup(portsThatRefuse(hasBad, full), group(["a", "bad"]))).rejects.toBe(full);
});

/** What reading some files did to the worker. */
interface Struck {
  readonly killer: string;
  readonly isNamed: boolean;
}

/** Ports whose workers die of a file, counted; `asked` has the files of each. */
function portsThatDie(struck: readonly Struck[]) {
  const asked: (readonly string[])[] = [];
  const strikes = new Map<string, number>();
  const refused = (names: readonly string[]): boolean => {
    asked.push(names);
    return false;
  };
  const ports = portsThatRefuse(refused, UNBOUND);
  const { decode } = ports.engine;
  const engine = {
    ...ports.engine,
    decode: async (request: Parameters<typeof decode>[0]) => {
      const decoded = await decode(request);
      const names = request.files.map(({ name }) => name);
      const found = struck.find(({ killer }) => names.includes(killer));
      if (found === undefined) return decoded;
      const context = { killed: "crash", ...(found.isNamed ? { file: found.killer } : {}) };
      throw new LakeError("input", `the worker that read ${found.killer} died`, { context });
    },
  };
  const strike = async (sha256: string, by: number): Promise<number> => {
    strikes.set(sha256, (strikes.get(sha256) ?? 0) + by);
    return strikes.get(sha256) ?? 0;
  };
  const catalog = { ledger: { strike } };
  return { ports: { ...ports, engine, catalog } as unknown as DecodePorts, asked }; // parse: as above
}

const HUNDRED = Array.from({ length: 100 }, (_, index) => `f${String(index).padStart(2, "0")}`);

test("decodeGroup finds one of a hundred that stops the worker unseen by halves", async () => {
  const { ports, asked } = portsThatDie([{ killer: "f42", isNamed: false }]);
  const decoded = await decodeGroup(ports, group(HUNDRED));
  expect(decoded.setAside.map(({ file: { name }, message }) => [name, message])).toEqual([
    ["f42", "the worker that read f42 died"],
  ]);
  expect(decoded.files.map(({ name }) => name).sort()).toEqual(
    HUNDRED.filter((name) => name !== "f42"),
  );
  expect(asked.length).toBeLessThanOrEqual(16);
});

test("decodeGroup asks at most three times for each file that stops the worker by its name", async () => {
  const killers = HUNDRED.filter((_, index) => index % 20 === 7);
  const { ports, asked } = portsThatDie(killers.map((killer) => ({ killer, isNamed: true })));
  const decoded = await decodeGroup(ports, group(HUNDRED));
  expect(decoded.setAside.map(({ file: { name } }) => name)).toEqual(killers);
  expect(decoded.files.length).toBe(HUNDRED.length - killers.length);
  expect(asked.length).toBeLessThanOrEqual(1 + 3 * killers.length);
});

for (const isNamed of [true, false]) {
  test(`decodeGroup reads no file over and over where all stop the worker, named ${isNamed}`, async () => {
    const { ports, asked } = portsThatDie(HUNDRED.map((killer) => ({ killer, isNamed })));
    const decoded = await decodeGroup(ports, group(HUNDRED));
    expect(decoded.setAside.length).toBe(HUNDRED.length);
    const mostOfOne = Math.max(
      ...HUNDRED.map((name) => asked.filter((names) => names.includes(name)).length),
    );
    expect(mostOfOne).toBeLessThanOrEqual(2 * Math.log2(HUNDRED.length) + 3);
    expect(asked.length).toBeLessThanOrEqual(3 * HUNDRED.length);
  });
}

test("decodeGroup asks once for files that stop no worker", async () => {
  const { ports, asked } = portsThatDie([]);
  await decodeGroup(ports, group(HUNDRED));
  expect(asked).toEqual([HUNDRED]);
});
