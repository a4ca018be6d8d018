/** The brokers of a cluster: which of them leads what, and a connection to each that is asked. */

import { readFile } from "node:fs/promises";
import { ioError, LakeError } from "../../../core/base/errors.ts";
import { type Access, Connection } from "./connection.ts";
import { refusal } from "./failure.ts";
import {
  type BrokerAddress,
  type ClusterMetadata,
  type KafkaRequest,
  KEY,
  metadataRequest,
  type OffsetAnswer,
  offsetsRequest,
  type TopicPartition,
} from "./requests.ts";
import type { KafkaSettings } from "./settings.ts";

export interface LedPartition extends TopicPartition {
  readonly leader: number;
}

export class Cluster {
  readonly #bootstrap: readonly Omit<BrokerAddress, "node">[];
  readonly #access: Access;
  readonly #connections = new Map<string, Promise<Connection>>();
  #brokers: readonly BrokerAddress[] = [];
  #isClosed = false;

  /** Connects to nobody yet. Throws LakeError for a file that cannot be read. */
  static async of(settings: KafkaSettings, projectRoot: string): Promise<Cluster> {
    const { tls, tls_ca: ca, sasl, user, password } = settings;
    const authorities = ca === null ? null : await authoritiesIn(ca, projectRoot);
    const credentials = { user: user ?? "", password: password ?? "" };
    const access = { sasl, credentials, ...(tls ? { tls: { authorities } } : {}) };
    return new Cluster(settings.brokers.map(addressOf), access);
  }

  private constructor(bootstrap: readonly Omit<BrokerAddress, "node">[], access: Access) {
    this.#bootstrap = bootstrap;
    this.#access = access;
  }

  /** Who leads what, of these topics or of all, by the first broker that answers. Throws LakeError. */
  async metadata(topics: readonly string[] | null): Promise<ClusterMetadata> {
    let failure: unknown = null;
    for (const { host, port } of [...this.#bootstrap, ...this.#brokers]) {
      try {
        const connection = await this.#connection(host, port, "ask");
        const found = await connection.ask(metadataRequest(topics));
        this.#brokers = found.brokers;
        return found;
      } catch (thrown) {
        failure = thrown;
        // What a person has to mend is the same with each.
        if (thrown instanceof LakeError && thrown.code !== "io") break;
      }
    }
    throw failure;
  }

  /** Throws LakeError. */
  async ask<T>(node: number, request: KafkaRequest<T>): Promise<T> {
    const broker = this.#brokers.find((one) => one.node === node);
    if (broker === undefined) {
      throw refusal("io", `broker ${node} is not in the cluster now`, "it is looked for again");
    }
    const use = request.key === KEY.fetch ? "fetch" : "ask";
    const connection = await this.#connection(broker.host, broker.port, use);
    return await connection.ask(request);
  }

  /** Offsets at a time, each asked of who leads. Throws LakeError. */
  async offsets(partitions: readonly LedPartition[], time: bigint): Promise<OffsetAnswer[]> {
    const leaders = new Set(partitions.map(({ leader }) => leader));
    const answers = [...leaders].map(async (leader) => {
      const own = partitions.filter((one) => one.leader === leader);
      return await this.ask(leader, offsetsRequest(own, time));
    });
    return (await Promise.all(answers)).flat();
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#connections.values()) {
      opening.then(
        (connection) => connection.close(),
        () => {},
      );
    }
    this.#connections.clear();
  }

  /** What is fetched is waited for, and nothing else is answered on its connection meanwhile. */
  async #connection(host: string, port: number, use: "ask" | "fetch"): Promise<Connection> {
    const address = `${use} ${host}:${port}`;
    const known = await this.#connections.get(address)?.catch(() => undefined);
    if (known?.isOpen) return known;
    if (this.#isClosed) throw refusal("io", "the stream is closed", "open it again");
    const opening = Connection.open(host, port, this.#access);
    this.#connections.set(address, opening);
    // Whoever asked hears of it.
    opening.catch(() => {});
    return await opening;
  }
}

/** The text of a file with authorities. Throws LakeError. */
export async function authoritiesIn(path: string, projectRoot: string): Promise<string> {
  const absolute = path.startsWith("/") ? path : `${projectRoot}/${path}`;
  try {
    return await readFile(absolute, "utf8");
  } catch (thrown) {
    throw ioError(thrown, "read", absolute);
  }
}

function addressOf(text: string): Omit<BrokerAddress, "node"> {
  const cut = text.lastIndexOf(":");
  const host = text.slice(0, cut).replace(/^\[(.*)\]$/, "$1");
  return { host, port: Number(text.slice(cut + 1)) };
}
