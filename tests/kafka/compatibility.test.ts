/**
 * Whether a contract may follow another, asked of us and of a schema registry, which is told the same contracts in
 * Avro. Where the answers differ a table says so and why: neither a difference that is not in it passes, nor one that
 * is in it and does not occur.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { parseTypeText } from "../../core/config/type-text.ts";
import { incompatibilities } from "../../core/contract/compatibility.ts";
import { COMPATIBILITIES, type Compatibility } from "../../core/contract/modes.ts";
import type { ContractColumn } from "../../core/ingest/contract.ts";
import type { Type } from "../../core/table/types.ts";
import { askJson } from "../support/http-json.ts";
import { registryFiles, startRegistry, type TestRegistry } from "../support/registry.ts";
import { CHANGES, DIFFERENCES } from "./compatibility-table.ts";

setDefaultTimeout(300_000);

const app = registryFiles();

test.skipIf(app === null)(
  "a registry says of each change what we say, but for what a table says",
  async () => {
    await using registry = await startRegistry(app ?? "");
    const found: Record<string, string> = {};
    for (const [index, [name, history, next]] of Object.entries(CHANGES).map(
      (one, at) => [at, [one[0], ...one[1]]] as const,
    )) {
      const subject = `s${index}-value`;
      await setMode(registry, subject, "none");
      for (const columns of history)
        await registry.register(subject, { schema: schemaOf(columns) });
      const alone: Record<"it" | "we", Compatibility[]> = { it: [], we: [] };
      for (const mode of COMPATIBILITIES) {
        const theirs = await mayFollow(registry, subject, next, mode);
        const breaks = incompatibilities({ columns: columnsOf(next) }, versions(history), mode);
        if ((breaks.length === 0) !== theirs) alone[theirs ? "it" : "we"].push(mode);
      }
      const said = Object.entries(alone).filter(([, modes]) => modes.length > 0);
      const answers = said.map(([who, modes]) => `${who} alone: ${modes.join(" ")}`).join("; ");
      if (answers !== "") found[name] = answers;
    }
    expect(found).toEqual(
      Object.fromEntries(Object.entries(DIFFERENCES).map(([name, { answers }]) => [name, answers])),
    );
    for (const { why } of Object.values(DIFFERENCES)) expect(why).not.toBe("");
  },
);

function versions(history: readonly string[]) {
  return history.map((text, index) => ({ version: index + 1, columns: columnsOf(text) }));
}

/** `a int, b string?`: a question mark is behind what may be null and be absent. */
function columnsOf(text: string): ContractColumn[] {
  return partsOf(text).map(({ name, type, required }) => ({
    ...{ name, source: name, type, required, declared: true, unseen: false },
  }));
}

function partsOf(text: string): { name: string; type: Type; required: boolean }[] {
  const parts = text === "" ? [] : text.split(/; /);
  return parts.map((part) => {
    const [, name = "", words = "", mark] = /^(\S+) (.*?)(\?)?$/.exec(part) ?? [];
    const parsed = parseTypeText(words);
    if (parsed.kind === "invalid") throw new Error(`${words}: ${parsed.reason}`);
    return { name, type: parsed.type, required: mark === undefined };
  });
}

function schemaOf(text: string): string {
  let names = 0;
  const avro = (type: Type): unknown => {
    switch (type.kind) {
      case "decimal":
        return {
          type: "bytes",
          logicalType: "decimal",
          precision: type.precision,
          scale: type.scale,
        };
      case "list":
        return { type: "array", items: ["null", avro(type.element)] };
      case "map":
        return { type: "map", values: ["null", avro(type.value)] };
      case "struct": {
        const fields = type.fields.map((field) =>
          fieldOf(field.name, avro(field.type), field.required),
        );
        return { type: "record", name: `inner${names++}`, fields };
      }
      case "primitive":
        return PRIMITIVES[type.name] ?? type.name;
      default:
        throw new Error(`no Avro for ${type.kind}`);
    }
  };
  const fields = partsOf(text).map(({ name, type, required }) =>
    fieldOf(name, avro(type), required),
  );
  return JSON.stringify({ type: "record", name: "row", fields });
}

const PRIMITIVES: Readonly<Record<string, unknown>> = {
  binary: "bytes",
  date: { type: "int", logicalType: "date" },
  time: { type: "long", logicalType: "time-micros" },
  timestamp: { type: "long", logicalType: "local-timestamp-micros" },
  timestamptz: { type: "long", logicalType: "timestamp-micros" },
  uuid: { type: "string", logicalType: "uuid" },
};

function fieldOf(name: string, type: unknown, required: boolean): object {
  return required ? { name, type } : { name, type: ["null", type], default: null };
}

async function setMode({ url }: TestRegistry, subject: string, mode: Compatibility): Promise<void> {
  const { status, json } = await askJson("PUT", `${url}/config/${subject}`, {
    compatibility: mode.toUpperCase(),
  });
  // A subject that is not there yet has no mode of its own, and the registry's own is NONE.
  if (status !== 200 && mode !== "none")
    throw new Error(`${subject}: ${status} ${JSON.stringify(json)}`);
}

async function mayFollow(
  registry: TestRegistry,
  subject: string,
  next: string,
  mode: Compatibility,
): Promise<boolean> {
  await setMode(registry, subject, mode);
  const of = mode.endsWith("_transitive") ? "versions" : "versions/latest";
  const url = `${registry.url}/compatibility/subjects/${subject}/${of}`;
  const { status, json } = await askJson("POST", url, { schema: schemaOf(next) });
  if (status !== 200) throw new Error(`${subject}: ${status} ${JSON.stringify(json)}`);
  return (json as { is_compatible: boolean }).is_compatible; // parse: as the registry's API says
}
