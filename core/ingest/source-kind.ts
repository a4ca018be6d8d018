/** Kinds of sources beside dropped files: what their settings are, and how one is opened. */

import type { JsonObject } from "../base/json.ts";
import type { SecretOf } from "../config/secret.ts";
import type { Cursor, Shape } from "../config/shape.ts";
import type { Catalog, Clock, FileIO, Random } from "../ports.ts";
import type { Column } from "../table/types.ts";
import type { SourceConfig } from "./contract.ts";
import type { Finds } from "./discovery.ts";
import type { CountAsk, Counted } from "./reconcile.ts";
import type { ComingFile, Originals, Source } from "./source.ts";
import type { ReaderRequest, StreamReader } from "./stream.ts";

/** How a table lands where tarn.yaml says otherwise than its kind. Plain data. */
export type TableLanding = Pick<SourceConfig, "schema" | "declared" | "required"> &
  Partial<
    Pick<
      SourceConfig,
      "into" | "partition" | "beforeLanding" | "onDrift" | "compatibility" | "notes"
    >
  >;

/** What stands around the columns of a table of a stream. */
export interface LandingFrame {
  /** Rows are changes: one may come without values. */
  readonly isFeed: boolean;
  /** With the columns around them; `old` are those of rows that were there before. */
  readonly columns: (own: readonly Column[], old: readonly Column[]) => readonly Column[];
  /** Its position holds values of rows as they come. */
  readonly isPlacedByRows?: boolean;
}

/** One entry of `sources:` in tarn.yaml with a `kind:` of its own. */
export interface StreamConfig {
  readonly name: string;
  readonly kind: string;
  /** As its kind read them: plain data, in which secrets are named and not told. */
  readonly settings: unknown;
  /** The name that it was read by before; `none`: it is a new one. Absent: tarn.yaml does not say. */
  readonly movedFrom?: string;
  /** What it is called by its server, its folder and its tables, where that is not its name. */
  readonly knownAs?: string;
  /** By table, or for every one. */
  readonly landing?: Readonly<Record<string, TableLanding>>;
}

/** What somebody sent to a source over HTTP. */
export interface HttpAsked {
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, string | number | boolean>>;
}

export interface HttpDoor {
  /** The lake's own. */
  readonly token: string;
}

export type HttpHandler = (asked: HttpAsked, door: HttpDoor) => Promise<HttpAnswer>;

/** Where sources hear what is sent to them. */
export interface HttpRoutes {
  /** From now on `POST /v1/ingest/<source>` is answered; until what is returned is called. */
  enter(source: string, handler: HttpHandler): () => void;
}

/** What a source is opened with. */
export interface SourceWorld {
  readonly io: FileIO;
  readonly catalog: Catalog;
  readonly originals: Originals;
  readonly clock: Clock;
  readonly random: Random;
  /** Absolute folder of the project. */
  readonly projectRoot: string;
  readonly secretOf: SecretOf;
  /** The program and its arguments that read a stream in a process of its own. */
  readonly readerCommand: readonly string[];
  /** Null where nothing is served. */
  readonly http: HttpRoutes | null;
  /** Something may be ready: the loop need not wait longer. */
  readonly wake: () => void;
  /** Told what a person should know that stops nothing. */
  readonly notice: (source: string, text: string) => void;
}

/** What a process that reads a stream has of the world. */
export interface ReaderWorld {
  readonly clock: Clock;
  readonly random: Random;
  /** Told what a person should know that stops nothing. */
  readonly notice: (text: string) => void;
  /** Told of segments of a transaction that is not committed; absent: nobody reads them before. */
  readonly coming?: (segment: ComingFile) => void;
  /** Nothing will come of these, by their paths. */
  readonly dropped?: (paths: readonly string[]) => void;
}

/** One thing that reading a source needs. */
export interface SourceFinding {
  readonly what: string;
  readonly state: "ok" | "warn" | "bad";
  readonly text: string;
  /** What to do about it, to be pasted where it can be. */
  readonly todo?: string;
}

/** What a source is checked with. */
export interface CheckWorld {
  /** Where what is committed ends; null before the first batch. */
  readonly from: string | null;
  readonly lakeId: string;
  readonly projectRoot: string;
  readonly secretOf: SecretOf;
}

/** What a source is looked into with. */
export type DiscoverWorld = Pick<CheckWorld, "projectRoot" | "secretOf"> &
  Pick<ReaderWorld, "clock" | "random">;

/** What a source is counted with. */
export type CountWorld = DiscoverWorld &
  Pick<CheckWorld, "from"> & {
    /** A running engine reads the source meanwhile. */
    readonly isRead: boolean;
  };

export interface SourceKind {
  /** Its word behind `kind:` in tarn.yaml. */
  readonly word: string;
  /** The keys beside `kind`. */
  readonly settings: Shape<unknown>;
  /** Keys whose values are shown to nobody, and in which alone a secret may be named. */
  readonly secrets: readonly string[];
  /** Opens nothing yet that may fail or wait: the first poll does. */
  open(stream: StreamConfig, world: SourceWorld): Promise<Source>;
  /** What reading it needs, whether it is there or not; changes nothing. */
  check(stream: StreamConfig, world: CheckWorld): Promise<readonly SourceFinding[]>;
  /**
   * The position from which a table, or all of them, are read again, in place of what was read before; null for a kind
   * that cannot. Throws `not-found`.
   */
  readAgain(position: string, table: string | null): string | null;
  /** True for a position that a source of this kind reads on from. */
  goesOnFrom(position: string): boolean;
  /** Beginnings of addresses that are of this kind, such as `postgres`; none for one that finds nothing out. */
  readonly schemes: readonly string[];
  /** Keys of an entry that reads what is at an address; among them what it cannot do without. Throws `usage`. */
  entryOf(address: string): JsonObject;
  /** What is at the place of a source, declared or not; null for a kind that finds nothing out. Changes nothing. */
  discover(stream: StreamConfig, world: DiscoverWorld): Promise<Finds | null>;
  /** Tables of a source as of now, for comparing; null for a kind that cannot. Changes nothing. */
  count(
    stream: StreamConfig,
    tables: readonly CountAsk[],
    world: CountWorld,
  ): Promise<Counted | null>;
  /** In a process of its own. */
  read(request: ReaderRequest, world: ReaderWorld): Promise<StreamReader>;
  /** Tables that its settings name; others may come with what it brings. */
  tables(stream: StreamConfig): readonly string[];
  /** Of any of its tables. */
  frame(settings: unknown): LandingFrame;
  /** How rows of one of its tables land; `table` is what follows the stream's name in the ledger. */
  table(stream: StreamConfig, table: string): SourceConfig;
}

/** What a kind says of itself, with the type of its settings. */
export interface KindOf<T> {
  readonly word: string;
  readonly settings: Shape<T>;
  readonly secrets: readonly string[];
  /** Reports settings that contradict each other. */
  readonly refuse?: (settings: T, cursor: Cursor) => void;
  readonly check: (
    name: string,
    settings: T,
    world: CheckWorld,
  ) => Promise<readonly SourceFinding[]>;
  /** For a kind that is read in a process of its own: what reads it. */
  readonly read?: (
    request: ReaderRequest,
    settings: T,
    world: ReaderWorld,
  ) => Promise<StreamReader>;
  readonly readAgain?: (position: string, table: string | null) => string;
  /** Throws, or answers false, for a position of another kind. Absent: no position of another stream is read on. */
  readonly goesOnFrom?: (position: string) => unknown;
  /** For a kind whose rows can be counted where they are. */
  readonly count?: (
    settings: T,
    tables: readonly CountAsk[],
    world: CountWorld,
  ) => Promise<Counted>;
  /** For a kind that can say what is there. */
  readonly discover?: {
    readonly schemes: readonly string[];
    readonly entryOf: (address: string) => JsonObject;
    readonly find: (settings: T, world: DiscoverWorld) => Promise<Finds>;
  };
  /** For a kind that is not. */
  readonly open?: (
    name: string,
    settings: T,
    world: SourceWorld,
    configOf: (table: string) => SourceConfig,
  ) => Promise<Source>;
  /** Absent: rows are changes, with the columns of a feed, and what is read is placed by a log. */
  readonly frame?: (settings: T) => LandingFrame;
  readonly tables: (settings: T) => readonly string[];
  readonly table: (name: string, settings: T, table: string) => SourceConfig;
}
