/** The templates `files` (one dropped file, one silver and one gold model) and `empty`. */

import silver from "./files/clean.sql" with { type: "text" };
import gold from "./files/gold.sql" with { type: "text" };
import config from "./files/tarn.yaml" with { type: "text" };
import temperatures from "./files/temperatures.csv" with { type: "text" };
import type { Template } from "./template.ts";

/** The smallest project that shows all three layers. */
export function filesTemplate(): Template {
  return {
    name: "files",
    files: [
      {
        path: "tarn.yaml",
        text: config,
        comment: "the only file that matters; all of it is optional",
      },
      {
        path: "drops/temperatures/2026-11.csv",
        text: temperatures,
        comment: "rows: put your own files into drops/<name>/",
        isSample: true,
      },
      { path: "models/silver/temperatures.sql", text: silver, comment: "the path names the table" },
      { path: "models/gold/cities.sql", text: gold, comment: "reads silver; runs after it" },
    ],
    next: ["tarn build", "tarn sql -c 'from gold.cities'"],
  };
}

/** Folders and settings only. */
export function emptyTemplate(): Template {
  return {
    name: "empty",
    files: [
      {
        path: "tarn.yaml",
        text: config,
        comment: "the only file that matters; all of it is optional",
      },
      {
        path: "drops/",
        text: "",
        comment: "put files into drops/<name>/: they land in bronze.<name>",
      },
      { path: "models/", text: "", comment: "SELECTs as models/<layer>/<name>.sql" },
    ],
    next: ["cp FILE drops/orders/", "tarn build", "tarn sql"],
  };
}
