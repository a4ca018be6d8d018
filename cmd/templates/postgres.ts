/** The template `postgres`: a database followed by logical replication. */

import config from "./postgres/tarn.yaml" with { type: "text" };
import type { Template } from "./template.ts";

const ENV = "DATABASE_URL=postgres://postgres@localhost:5432/shop\n";

export function postgresTemplate(): Template {
  return {
    name: "postgres",
    files: [
      { path: "tarn.yaml", text: config, comment: "which database, and which of its tables" },
      { path: ".env", text: ENV, comment: "where it is: edit this; git leaves it out" },
      { path: "models/", text: "", comment: "SELECTs as models/<layer>/<name>.sql" },
    ],
    next: ["tarn source check shop", "tarn build", "tarn source models shop", "tarn up"],
  };
}
