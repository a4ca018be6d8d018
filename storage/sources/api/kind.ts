/** `kind: api`: endpoints that are asked page by page, again and again, for what is new. */

import type { SourceConfig } from "../../../core/ingest/contract.ts";
import { streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { PLAIN, sourceKind } from "../source-kind.ts";
import { apiEntry, discoverEndpoints } from "./discover.ts";
import { placeFromText } from "./place.ts";
import { ApiReader } from "./read.ts";
import { API_SETTINGS } from "./settings.ts";

function apiTable(name: string, endpoint: string): SourceConfig {
  const into = `bronze.${namePartFrom(`${name}_${endpoint}`)}`;
  return streamTable(name, endpoint, { into, read: { format: "json" } });
}

export const API = sourceKind({
  word: "api",
  settings: API_SETTINGS,
  secrets: ["auth", "headers"],
  check: async (_name, { url, endpoints }) => [
    {
      what: "address",
      state: "ok",
      text: `${url}: ${endpoints.map(({ name }) => name).join(", ")}`,
    },
  ],
  discover: {
    schemes: ["http", "https"],
    entryOf: apiEntry,
    find: (settings, world) => discoverEndpoints(settings, world),
  },
  read: (request, settings, world) => ApiReader.open(request, settings, world),
  frame: () => ({ ...PLAIN, isPlacedByRows: true }),
  goesOnFrom: (position) =>
    position.startsWith("run ") && placeFromText(position).endpoints !== undefined,
  tables: ({ endpoints }) => endpoints.map(({ name }) => name),
  table: (name, _settings, endpoint) => apiTable(name, endpoint),
});
