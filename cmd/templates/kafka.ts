/** The template `kafka`: topics of a broker. */

import config from "./kafka/tarn.yaml" with { type: "text" };
import type { Template } from "./template.ts";

const ENV = "KAFKA_BROKERS=localhost:9092\n";

export function kafkaTemplate(): Template {
  return {
    name: "kafka",
    files: [
      { path: "tarn.yaml", text: config, comment: "which brokers, and which of their topics" },
      { path: ".env", text: ENV, comment: "where they are: edit this; git leaves it out" },
      { path: "models/", text: "", comment: "SELECTs as models/<layer>/<name>.sql" },
    ],
    next: ["tarn source check events", "tarn build", "tarn ls", "tarn up"],
  };
}
