/** The template `mysql`: a MySQL or MariaDB database followed by its binary log. */

import config from "./mysql/tarn.yaml" with { type: "text" };
import type { Template } from "./template.ts";

const ENV = "DATABASE_URL=mysql://root@localhost:3306/shop\n";

export function mysqlTemplate(): Template {
  return {
    name: "mysql",
    files: [
      { path: "tarn.yaml", text: config, comment: "which database, and which of its tables" },
      { path: ".env", text: ENV, comment: "where it is: edit this; git leaves it out" },
      { path: "models/", text: "", comment: "SELECTs as models/<layer>/<name>.sql" },
    ],
    next: ["tarn source check shop", "tarn build", "tarn source models shop", "tarn up"],
  };
}
