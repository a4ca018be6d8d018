/** Backlogs of a PostgreSQL slot: the same rows in transactions of several sizes, read from copies of the slot. */

import { type PostgresServer, startPostgres } from "../tests/support/postgres.ts";
import { heading, type Measured, measure, progress, table } from "./measure.ts";
import { type Pair, RATE_COLUMNS, rates } from "./rates.ts";

export const ROUNDS = Number(process.env.TARN_BENCH_ROUNDS ?? 5);
const COLUMNS =
  "id bigint primary key, a int, b int, c text, d text, e numeric(12,2), f timestamptz, g boolean";
const VALUES = "g, g % 1000, g % 7, 'customer ' || g, repeat('x', 40), g * 0.01, now(), g % 2 = 0";
/** The slot that the backlog piles up behind, and its copies: the peer's and ours. */
const BACKLOG = "backlog";
const THEIRS = "theirs";
const LEFT_MS = 10;

export const DATABASE = "bench";
export const PUBLICATION = "bench";
export const SLOT = "ours";

/** What a slot holds back: so many changes of rows, up to a place in the log. */
export interface Backlog {
  readonly rows: number;
  readonly end: string;
}

/** Who else reads it, from a slot that is his. */
export interface Peer {
  readonly name: string;
  read(slot: string, backlog: Backlog): Promise<Measured>;
}

export interface Comparison {
  readonly title: string;
  readonly rows: number;
  /** Kinds of transactions by their names; all unless told otherwise. */
  readonly only?: readonly string[];
  readonly peer?: Peer;
}

/** A server with the table `events`, its publication, and at times a backlog. */
export class BacklogServer implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly run: (sql: string) => Promise<readonly (readonly (string | null)[])[]>;

  private constructor(server: PostgresServer) {
    this.#server = server;
    this.run = (sql) => server.run(DATABASE, sql);
  }

  /** Null, and a line that says so, where the peers are not installed. */
  static async start(): Promise<BacklogServer | null> {
    const missing = ["pg_recvlogical", "psql"].filter((program) => Bun.which(program) === null);
    if (missing.length > 0) {
      console.log(`skip: ${missing.join(", ")}: apt-get install postgresql-client, postgresql`);
      return null;
    }
    const server = new BacklogServer(
      await startPostgres(18, { logical_decoding_work_mem: "256MB", max_wal_size: "16GB" }),
    );
    await server.run(`create table events (${COLUMNS})`);
    await server.run(`create publication ${PUBLICATION} for table events`);
    return server;
  }

  get port(): number {
    return this.#server.port;
  }

  /** What programs of PostgreSQL are told of where it is. */
  get address(): readonly string[] {
    return ["-h", "127.0.0.1", "-p", String(this.port), "-U", "postgres"];
  }

  /** The table with so many rows, and no backlog. */
  async fill(rowCount: number): Promise<void> {
    await this.run("truncate events");
    await this.run(`insert into events select ${VALUES} from generate_series(1, ${rowCount}) g`);
  }

  /**
   * By turns `read` and a peer, `pg_recvlogical` unless told otherwise, read each kind of backlog of so many rows, or
   * those that are named. Prints a table of their rates.
   */
  async compare(
    { title, rows, only, peer = this.#receiver }: Comparison,
    read: (backlog: Backlog) => Promise<Omit<Pair, "peerMs">>,
  ): Promise<void> {
    const lines: string[][] = [];
    for (const [name, kind] of Object.entries(transactions(rows))) {
      if (only?.includes(name) === false) continue;
      await this.fill(kind.isFilled === true ? kind.rows : 0);
      await this.run(`select pg_create_logical_replication_slot('${BACKLOG}', 'pgoutput')`);
      await this.run(kind.write);
      const [[end = ""] = []] = await this.run("select pg_current_wal_lsn()");
      const backlog = { rows: kind.rows, end: `${end}` };
      lines.push([name, ...rates(await this.#pairs(backlog, peer, read))]);
      await this.run(`select pg_drop_replication_slot('${BACKLOG}')`);
    }
    heading(title);
    console.log(table(["transactions", "rows/s", peer.name, ...RATE_COLUMNS], lines));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #pairs(
    backlog: Backlog,
    peer: Peer,
    read: (backlog: Backlog) => Promise<Omit<Pair, "peerMs">>,
  ): Promise<Pair[]> {
    const pairs: Pair[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const theirs = await this.#withCopy(THEIRS, () => peer.read(THEIRS, backlog));
      const ours = await this.#withCopy(SLOT, () => read(backlog));
      pairs.push({ ...ours, peerMs: theirs.ms });
      progress(`round ${round + 1}: ${(theirs.ms / ours.ms).toFixed(2)}`);
    }
    return pairs;
  }

  async #withCopy<T>(name: string, read: () => Promise<T>): Promise<T> {
    await this.run(`select pg_copy_logical_replication_slot('${BACKLOG}', '${name}', false)`);
    try {
      return await read();
    } finally {
      await this.#isLeft(name);
      await this.run(`select pg_drop_replication_slot('${name}')`);
    }
  }

  /** The server has seen that a reader is gone. */
  async #isLeft(name: string): Promise<void> {
    const state = `select active from pg_replication_slots where slot_name = '${name}'`;
    while ((await this.run(state))[0]?.[0] === "t") await Bun.sleep(LEFT_MS);
  }

  readonly #receiver: Peer = {
    name: "pg_recvlogical",
    read: async (slot, { end }) => {
      const options = ["proto_version=2", "streaming=on", `publication_names=${PUBLICATION}`];
      const told = options.flatMap((option) => ["-o", option]);
      const from = ["-d", DATABASE, ...this.address, "-S", slot, "-E", end];
      return await measure(["pg_recvlogical", "--start", ...from, ...told, "-f", "/dev/null"]);
    },
  };
}

interface Transactions {
  readonly rows: number;
  readonly write: string;
  /** The rows are there before. */
  readonly isFilled?: boolean;
}

function transactions(rowCount: number): Readonly<Record<string, Transactions>> {
  const few = Math.floor(rowCount / 4);
  const updates = "update events set a = a + 1, f = now() where id > at and id <= at + 1000";
  return {
    "one transaction": { rows: rowCount, write: insert("0", rowCount) },
    "1,000 rows each": { rows: rowCount, write: repeated(rowCount, 1_000) },
    "10 rows each": { rows: rowCount, write: repeated(rowCount, 10) },
    "1 row each": { rows: few, write: repeated(few, 1) },
    "1,000 updates each": {
      rows: rowCount,
      write: repeated(rowCount, 1_000, updates),
      isFilled: true,
    },
  };
}

/** One statement that commits so many rows at a time. */
function repeated(rowCount: number, each: number, statement = insert("at", each)): string {
  return `do $$ begin for at in 0..${rowCount - each} by ${each} loop
    ${statement}; commit; end loop; end $$`;
}

function insert(after: string, count: number): string {
  return `insert into events select ${VALUES} from generate_series(${after} + 1, ${after} + ${count}) g`;
}
