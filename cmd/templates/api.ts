/** The template `api`: endpoints that are asked for what is new. */

import config from "./api/tarn.yaml" with { type: "text" };
import type { Template } from "./template.ts";

const ENV = "API_URL=http://localhost:8080\n";

export function apiTemplate(): Template {
  return {
    name: "api",
    files: [
      { path: "tarn.yaml", text: config, comment: "which service, and which of its endpoints" },
      { path: ".env", text: ENV, comment: "where it is: edit this; git leaves it out" },
      { path: "models/", text: "", comment: "SELECTs as models/<layer>/<name>.sql" },
    ],
    next: ["tarn build", "tarn sql -c 'from bronze.service_items'", "tarn up"],
  };
}
