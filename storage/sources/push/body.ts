/** What a pushed body is: the ending that its reader goes by, and CloudEvents in headers as one JSON text. */

import { stringifyJson } from "../../../core/base/json.ts";

export interface PushedBody {
  /** With compression, such as `.json.gz`. */
  readonly ending: string;
  readonly bytes: Uint8Array;
}

const ENDINGS: Readonly<Record<string, string>> = {
  "": ".json",
  "application/json": ".json",
  "application/x-ndjson": ".ndjson",
  "application/ndjson": ".ndjson",
  "application/jsonl": ".ndjson",
  "application/x-jsonlines": ".ndjson",
  "application/cloudevents+json": ".json",
  "application/cloudevents-batch+json": ".json",
  "text/csv": ".csv",
  "text/tab-separated-values": ".tsv",
  "application/vnd.apache.parquet": ".parquet",
  "application/x-parquet": ".parquet",
  "application/avro": ".avro",
  "avro/binary": ".avro",
};
const PACKINGS: Readonly<Record<string, string>> = {
  "": "",
  identity: "",
  gzip: ".gz",
  "x-gzip": ".gz",
  zstd: ".zst",
};

/** Everything that the name of a body may end in. */
export const BODY_ENDINGS: readonly string[] = [...new Set(Object.values(ENDINGS))].flatMap(
  (ending) => [...new Set(Object.values(PACKINGS))].map((packing) => `${ending}${packing}`),
);

/** A text for what cannot be read: what is wrong, for whoever sent it. */
export function bodyOf(
  headers: ReadonlyMap<string, string>,
  bytes: Uint8Array,
): PushedBody | string {
  const type = (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const packed = (headers.get("content-encoding") ?? "").trim().toLowerCase();
  const packing = Object.hasOwn(PACKINGS, packed) ? PACKINGS[packed] : undefined;
  if (packing === undefined) return `Content-Encoding ${packed} is not read: send gzip or zstd`;
  const isEvent = headers.has("ce-id") && headers.has("ce-type");
  const isJson = type === "" || type.endsWith("/json") || type.endsWith("+json");
  const known = Object.hasOwn(ENDINGS, type) ? ENDINGS[type] : undefined;
  const ending = known ?? (isJson ? ".json" : undefined);
  if (isEvent && packing === "" && isJson) {
    return { ending: ".json", bytes: eventOf(headers, bytes) };
  }
  if (ending === undefined) {
    const types = Object.keys(ENDINGS).filter((name) => name !== "");
    return `Content-Type ${type} is not read: send one of ${types.join(", ")}`;
  }
  return { ending: `${ending}${packing}`, bytes };
}

/** An event in binary mode: attributes of its headers, its data as it came. CloudEvents HTTP binding 1.0, 3.1. */
function eventOf(headers: ReadonlyMap<string, string>, data: Uint8Array): Uint8Array {
  const attributes: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (name.startsWith("ce-")) attributes[name.slice(3)] = decodeURIComponent(value);
  }
  const type = headers.get("content-type");
  if (type !== undefined) attributes.datacontenttype = type;
  const head = stringifyJson(attributes).slice(0, -1);
  const text = data.length === 0 ? "null" : new TextDecoder().decode(data);
  return new TextEncoder().encode(`${head},"data":${text}}\n`);
}
