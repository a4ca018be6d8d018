/** Brokers that ask who one is and encrypt what they say: how one gets in, and what is said where one does not. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificates } from "../support/certificates.ts";
import { type KafkaBroker, kafkaJars, startKafka } from "../support/kafka.ts";
import { TestProducer } from "../support/kafka-producer.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { KafkaProject } from "./project.ts";

setDefaultTimeout(180_000);

const lib = kafkaJars();
const PASSWORD = "sec ret";
const SASL = "org.apache.kafka.common.security";

/** Certificates in a folder; topics `orders`, which reader may read, and `secret`, which only others may. */
async function guardedBroker(folder: string): Promise<KafkaBroker> {
  certificates(folder, "right");
  certificates(folder, "wrong");
  const store = join(folder, "store.pem");
  const parts = ["right.key", "right.pem"].map((name) => readFileSync(join(folder, name), "utf8"));
  writeFileSync(store, parts.join(""));
  const plain = `${SASL}.plain.PlainLoginModule required user_reader="${PASSWORD}";`;
  const scram = `${SASL}.scram.ScramLoginModule required;`;
  const login = (listener: string, mechanisms: readonly string[]) => ({
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: mechanisms.join(","),
    [`listener.name.${listener}.plain.sasl.jaas.config`]: plain,
    [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`]: scram,
    [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`]: scram,
  });
  const all = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
  const broker = await startKafka(lib ?? "", {
    listeners: { LOGIN: "SASL_PLAINTEXT", ONE: "SASL_PLAINTEXT", TLS: "SSL", BOTH: "SASL_SSL" },
    scram: ["256", "512"].map((bits) => `SCRAM-SHA-${bits}=[name=reader,password=${PASSWORD}]`),
    settings: {
      ...login("login", all),
      ...login("one", ["SCRAM-SHA-512"]),
      ...login("both", all),
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": store,
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      "super.users": "User:ANONYMOUS",
    },
  });
  using producer = await TestProducer.open(broker.port, null);
  for (const topic of ["orders", "secret"]) {
    await producer.topic(topic, 1);
    await producer.send({ topic, partition: 0, records: [{ key: "a", value: '{"id":1}' }] });
  }
  broker.tool("org.apache.kafka.tools.AclCommand", [
    ...["--bootstrap-server", `127.0.0.1:${broker.port}`, "--add", "--allow-principal"],
    ...["User:reader", "--operation", "Read", "--operation", "Describe", "--topic", "orders"],
  ]);
  return broker;
}

/** Sources of a broker, each by one of its listeners. */
class Ways {
  readonly #broker: KafkaBroker;
  readonly #folder: string;

  constructor(broker: KafkaBroker, folder: string) {
    this.#broker = broker;
    this.#folder = folder;
  }

  source(listener: string, more: string, { topic = "orders", host = "127.0.0.1" } = {}): string {
    return `brokers: ["${host}:${this.portOf(listener)}"], topics: ["${topic}"]${more}`;
  }

  portOf(listener: string): number {
    return listener === "OPEN" ? this.#broker.port : this.#broker.portOf(listener);
  }

  tls(name: "right" | "wrong"): string {
    return `, tls: true, tls_ca: ${join(this.#folder, `${name}-ca.pem`)}`;
  }
}

function login(sasl: string, password = PASSWORD): string {
  return `, sasl: ${sasl}, user: reader, password: "${password}"`;
}

/** Sources that nothing is read of: what is said, and what to do. */
function refusals(ways: Ways): readonly (readonly [string, string, string])[] {
  const at = (listener: string) => `127.0.0.1:${ways.portOf(listener)}`;
  const corrected = "correct user, password and sasl of the source";
  const signed = "name the file with the authority that signed the certificate: tls_ca";
  const shut = `${at("LOGIN")} does not let "reader" in`;
  const scram = ways.source("LOGIN", login("scram-sha-256", "wrong"));
  const elsewhere = ways.source("TLS", ways.tls("right"), { host: "localhost" });
  const secret = ways.source("LOGIN", login("plain"), { topic: "secret" });
  return [
    [scram, shut, corrected],
    [ways.source("LOGIN", login("plain", "wrong")), shut, corrected],
    [
      ways.source("ONE", login("plain")),
      `${at("ONE")} knows no plain`,
      "write one of: scram-sha-512",
    ],
    [
      ways.source("OPEN", login("plain")),
      `${at("OPEN")} asks nobody to log in`,
      "take sasl, user and password out",
    ],
    [ways.source("LOGIN", ""), `${at("LOGIN")}: the broker closed`, "a login (sasl) hangs up"],
    [ways.source("TLS", ways.tls("wrong")), `${at("TLS")}: unable to verify`, signed],
    [ways.source("TLS", ", tls: true"), `${at("TLS")}: unable to verify`, signed],
    [
      elsewhere,
      `localhost:${ways.portOf("TLS")}: Hostname/IP does not match`,
      "name the broker in brokers: as its certificate does",
    ],
    [ways.source("TLS", ""), `${at("TLS")}: the broker closed`, "wants encryption (tls: true)"],
    [
      ways.source("LOGIN", login("plain") + ways.tls("right")),
      at("LOGIN"),
      "is read with tls: false",
    ],
    [secret, "the user may not read secret", "kafka-acls --add --allow-principal"],
  ];
}

test.skipIf(lib === null)("one gets in by each login, or is told why not", async () => {
  await using folder = await tempFolder();
  await using broker = await guardedBroker(folder.path);
  const ways = new Ways(broker, folder.path);
  const tls = ways.tls("right");
  const right = [
    ...["plain", "scram-sha-256", "scram-sha-512"].map((sasl) => ways.source("LOGIN", login(sasl))),
    ways.source("TLS", tls),
    ways.source("BOTH", login("plain") + tls),
    ways.source("BOTH", login("scram-sha-512") + tls),
  ];
  for (const way of right) {
    await using project = await KafkaProject.of(way);
    await project.build();
    const rows = await project.ask("select id, _key from bronze.shop_orders");
    expect([way, rows]).toEqual([way, [{ id: 1, _key: "a" }]]);
  }
  for (const [way, said, todo] of refusals(ways)) {
    await using project = await KafkaProject.of(way);
    for (const words of [["build"], ["source", "check", "shop"]]) {
      const { code, text } = await project.run(...words);
      const failures = text.split("\n").filter((line) => line.includes("✖"));
      const expected = [words, 1, 1, expect.stringContaining(said)];
      expect([words, code, failures.length, failures[0]]).toEqual(expected);
      expect(text).toContain(todo);
      expect(text).not.toContain(PASSWORD);
    }
  }
});
