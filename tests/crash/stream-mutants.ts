/** Seeded bugs of what reads, lands and applies streams, each with the suite that must fail on it. */

import type { Mutant } from "./mutant-list.ts";

const STREAM_SOURCE = "storage/sources/stream-source.ts";
const POSTGRES = "storage/sources/postgres";
const MYSQL = "storage/sources/mysql";
const CDC = "sql/materialize/cdc.ts";

export const STREAM_MUTANTS: readonly Mutant[] = [
  {
    name: "confirm-before-commit",
    bug: "the server is told of a stretch before it is committed",
    file: STREAM_SOURCE,
    search: "    this.#underWay = stretch.to;",
    replace: "    this.#underWay = stretch.to;\n    reader.acknowledge(stretch.to);",
    suite: "streams",
  },
  {
    name: "position-not-stored",
    bug: "a stretch is committed without the position that it ends at",
    file: "core/ingest/landing.ts",
    search: "const advanced = batch.offset === null ? [] : [batch.offset];",
    replace: "const advanced: NonNullable<Batch['offset']>[] = [];",
    suite: "streams",
  },
  {
    name: "segment-unsynced",
    bug: "a position names a segment that may be lost",
    file: "storage/sources/segment-file.ts",
    search: "this.#target = new CopyTarget(durable, path, true);",
    replace: "this.#target = new CopyTarget(durable, path, false);",
    suite: "streams",
  },
  {
    name: "sealed-bytes-unsynced",
    bug: "lines and bodies are named before they are synced",
    file: "storage/sources/sealed-file.ts",
    search: 'await worded("sync", path, file.sync());',
    replace: "",
    suite: "streams",
  },
  {
    name: "tables-in-two-commits",
    bug: "tables that a transaction changed become visible one after the other",
    file: "core/ingest/landing.ts",
    search: "const result = await ports.catalog.commit(landChange(batch, staged), recorded);",
    replace:
      "await recorded;\n  for (const one of staged.slice(1)) {\n" +
      "    await ports.catalog.commit({ ...landChange(batch, [one]), facts: [] });\n  }\n" +
      "  const result = await ports.catalog.commit(landChange(batch, staged.slice(0, 1)));",
    suite: "kinds",
  },
  {
    name: "push-acked-before-commit",
    bug: "who pushes hears that a body has landed before it has",
    file: "storage/sources/push/source.ts",
    search: "return new PushBatch(this.#config, this.#world.originals, waitingByClaim);",
    replace:
      "for (const { answer } of taken) answer(answerOf(200, { rows: 1, quarantined: 0, again: false }));\n" +
      "    return new PushBatch(this.#config, this.#world.originals, waitingByClaim);",
    suite: "stream-cuts",
  },
  {
    name: "pushed-twice",
    bug: "a body whose acknowledgement was lost lands again",
    file: "storage/sources/push/source.ts",
    search: "if (known === undefined) return null;",
    replace: "if (known === undefined || known.sha256 === sha256) return null;",
    suite: "streams",
  },
  {
    name: "pushed-leftovers",
    bug: "what a killed program was pushed lies in the lake for ever",
    file: "storage/sources/push/source.ts",
    search: "      await emptyFolder(this.#durable, this.#folder);",
    replace: "",
    suite: "stream-cuts",
  },
  {
    name: "unchanged-is-null",
    bug: "a large value that was not sent since it did not change becomes NULL",
    file: CDC,
    search: "const isSent = `NOT coalesce(list_contains(",
    replace: "const isSent = `TRUE OR NOT coalesce(list_contains(",
    suite: "streams",
  },
  {
    name: "key-change-is-insert",
    bug: "a row that got another key stays under its old one",
    file: CDC,
    search: "  if (moved === null) return changes;",
    replace: "  if (moved === null || moved.pairs.length > 0) return changes;",
    suite: "streams",
  },
  {
    name: "late-change-revives",
    bug: "a change that comes too late brings back what a later one deleted",
    file: CDC,
    search: "const late = emptied || hasLate;",
    replace:
      "await db.run('UPDATE ' + KEYS + ' SET ' + LATE + ' = FALSE');\n  const late = emptied;",
    suite: "cdc",
  },
  {
    name: "marks-not-folded",
    bug: "position deletes that stand in for earlier ones leave out what those said",
    file: "sql/materialize/publish.ts",
    search: "const before = loss.isFolded ?",
    replace: "const before = loss.isFolded && !loss.isFolded ?",
    suite: "cdc",
  },
  {
    name: "read-again-without-truncation",
    bug: "a table that is read again keeps the rows that are gone",
    file: "sql/decode/segment/feed-parts.ts",
    search:
      "if (snapshot.replaces === true && snapshot.table === this.#plan.table) this.#truncate();",
    replace: "",
    suite: "streams",
  },
  {
    name: "snapshot-of-its-own",
    bug: "rows that are there are read as of now, not as of where the slot begins",
    file: `${POSTGRES}/snapshot.ts`,
    search: "await connection.rows(`SET TRANSACTION SNAPSHOT",
    replace: "await connection.rows(`SELECT 1 --",
    suite: "handover",
  },
  {
    name: "acknowledged-what-was-read",
    bug: "the server is told of what was received, not of what is committed",
    file: `${POSTGRES}/stream.ts`,
    search: "this.#reader?.status(this.#confirmed);",
    replace: "this.#reader?.status(this.#stream.reached);",
    suite: "wire",
  },
  {
    name: "past-an-open-transaction",
    bug: "a keepalive within a transaction moves the place to go on from behind it",
    file: "storage/sources/table-stream.ts",
    search: "const isIdle = !this.#kind.isInside() && this.#open === null;",
    replace: "const isIdle = true;",
    suite: "misbehaving",
  },
  {
    name: "silence-unheard",
    bug: "a connection that nothing comes from any more is waited for for ever",
    file: `${POSTGRES}/stream.ts`,
    search: "if (isAlone) reader?.close();",
    replace: "void isAlone;",
    suite: "misbehaving",
  },
  {
    name: "rolled-back-part-lands",
    bug: "a part of a large transaction that was rolled back lands with the rest",
    file: "storage/sources/spool.ts",
    search: "this.#runs = this.#runs.filter((run) => !isForgotten(run.key));",
    replace: "void isForgotten;",
    suite: "receiver",
  },
  {
    name: "rolled-back-piece-lands",
    bug: "a piece of a large transaction is named by the commit, with what was rolled back of it",
    file: "storage/sources/pieces.ts",
    search: "return this.#told.length > 0 && !this.#isTorn;",
    replace: "return this.#told.length > 0;",
    suite: "pieces",
  },
  {
    name: "piece-of-a-waiting-table-lands",
    bug: "changes of a table that waits for its rows land with those of the others",
    file: "storage/sources/spool.ts",
    search: "if (this.#pieces?.isWhole !== true || !this.#isOf(test)) return null;",
    replace: "if (this.#pieces?.isWhole !== true) return null;",
    suite: "pieces",
  },
  {
    name: "places-begin-anew-in-each-piece",
    bug: "changes of one transaction have the same place in it where they stand in several segments",
    file: "storage/sources/pieces.ts",
    search: "const file = this.#world.open(this.#frames);",
    replace: "const file = this.#world.open(0);",
    suite: "pieces",
  },
  {
    name: "ahead-by-other-terms",
    bug: "rows that were decoded for a table as it was land in it as it is",
    file: "sql/decode/segment/ahead.ts",
    search: "Bun.deepEquals(ahead.terms, termsOf(request));",
    replace: "true;",
    suite: "ahead",
  },
  {
    name: "given-up-records-land",
    bug: "records of a transaction that its producer gave up land",
    file: "storage/sources/kafka/record-batch.ts",
    search: "return !isTransactional || !this.#dead.has(producer);",
    replace: "return isTransactional || !this.#dead.has(producer);",
    suite: "kafka",
  },
  {
    name: "aborted-in-the-order-told",
    bug: "transactions that were given up are taken in the order in which the broker lists them",
    file: "storage/sources/kafka/record-batch.ts",
    search: "[...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset));",
    replace: "[...aborted];",
    suite: "kafka",
  },
  {
    name: "rotated-tail-lost",
    bug: "what was written to a log right before it was rotated is left out",
    file: "storage/sources/log/follow.ts",
    search: "if (end > 0) return await this.#seal(open, place, bytes.subarray(0, end));",
    replace:
      "if (end > 0 && this.#quiet === null) return await this.#seal(open, place, bytes.subarray(0, end));",
    suite: "log",
  },
  {
    name: "mark-moved-by-a-page",
    bug: "an API's high-water mark moves with each page, though the run fails later",
    file: "storage/sources/api/read.ts",
    search: "const endpoints = { ...this.#place.endpoints, [name]: { ...place, seen } };",
    replace:
      "const mark = all.reduce(\n" +
      "      (most, { value }) => greater(most, cursor === null ? null : textAt(value, cursor)),\n" +
      "      place.mark,\n    );\n" +
      "    const endpoints = { ...this.#place.endpoints, [name]: { ...place, mark, seen } };",
    suite: "api",
  },
  {
    name: "behind-a-savepoint-lands",
    bug: "rows of a binary log land that their transaction went back behind",
    file: `${MYSQL}/receiver.ts`,
    search: "this.#spool.forget((key) => Number(key) >= mark);",
    replace: "void mark;",
    suite: "binlog",
  },
  {
    name: "absent-is-null",
    bug: "columns that a row image leaves out, since they did not change, become NULL",
    file: "core/ingest/binlog-row.ts",
    search: "let kind: number = PLACE.absent;",
    replace: "let kind: number = PLACE.null;",
    suite: "binlog",
  },
  {
    name: "cascade-unseen",
    bug: "a table is read on whose rows a foreign key deleted without a word in the log",
    file: `${MYSQL}/rows-event.ts`,
    search: "(flags & (UNCHECKED_KEYS | LOGGED_KEYS)) !== 0",
    replace: "(flags & (UNCHECKED_KEYS | LOGGED_KEYS | 1)) !== 0",
    suite: "binlog",
  },
  {
    name: "prepared-for-ever",
    bug: "rows of a prepared transaction are held after they were committed",
    file: `${MYSQL}/prepared.ts`,
    search: "this.#all = this.#all.filter((one) => one !== held);",
    replace: "",
    suite: "binlog",
  },
  {
    name: "server-taken-back-unseen",
    bug: "a server whose log ends before what was read is read on",
    file: `${MYSQL}/server.ts`,
    search: "if (ofServer === undefined || ofServer.sequence < gtid.sequence) {",
    replace: "if (ofServer === undefined) {",
    suite: "resume",
  },
];
