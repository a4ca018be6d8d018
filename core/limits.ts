/** Every limit of the engine in one place; `tarn.yaml` may lower or raise those a user can reason about. */

/** A file whose mtime is this old is settled at first sight. Issue: settle rule. */
export const SETTLE_MS = 2_000;
/** Files taken into one batch at most: bounds the SQL text, a group's retry, and a worker's memory (65 kB a file). */
export const BATCH_FILES_MAX = 1_000;
/** Bytes of source files in one batch before the next file starts another. One bigger file is one batch. */
export const BATCH_BYTES_MAX = 256 * 1024 * 1024;
/** Rows that one file may decode to. */
export const FILE_ROWS_MAX = 2_000_000_000;
/** Decoded bytes (Parquet out) that one file may come to: stops decompression bombs. */
export const FILE_DECODED_BYTES_MAX = 64 * 1024 * 1024 * 1024;
/** Wall time of a worker over the files of a batch, from one to the next: this plus a share per byte of them all. */
export const DECODE_MS_BASE = 60_000;
export const DECODE_MS_PER_MIB = 2_000;
/** Bronze bytes rewritten in one commit to give a column a wider type. Issue: drift. */
export const REWRITE_BYTES_MAX = 1024 * 1024 * 1024;
/** Bad rows kept per file before the file as a whole is quarantined. */
export const REJECTS_PER_FILE_MAX = 1_000_000;
/** Rows set aside that are taken up at a time, and the characters of their texts: each such part is one commit. */
export const ASIDE_ROWS_MAX = 50_000;
export const ASIDE_CHARS_MAX = 64 * 1024 * 1024;
/** The share of a column's values that do not make it text. DESIGN, Settled. */
export const MISFITS_SHARE = 0.01;
/** Values from which on a share of misfits says something of a column. Issue: misfits. */
export const MISFIT_VALUES_MIN = 100;
/** In a file with fewer values, those that landed before count with it, as many as make these. */
export const MISFIT_VALUES_SPAN = 1_000;
/** Characters of raw text kept for a bad row; the original holds the rest. */
export const RAW_TEXT_CHARS_MAX = 64 * 1024;
/** Columns of a learned contract. */
export const COLUMNS_MAX = 4_000;
/** A contract document; those of thousands of columns are smaller. */
export const CONTRACT_BYTES_MAX = 8 * 1024 * 1024;
/** Schemas that a contract in JSON Schema may have one in another, each counted wherever it is referred to. */
export const CONTRACT_SCHEMAS_MAX = 20_000;
/** Characters of a column's name: longer ones are data that stand where a header should. */
export const COLUMN_NAME_CHARS_MAX = 1_000;
/** Attempts of a commit whose base moved. Iceberg default is 4; local commits are cheap. */
export const COMMIT_RETRIES_MAX = 20;

/** Runs of a model looked through for the last that published. */
export const RUNS_LOOKED_AT_MAX = 1_000;
/** Snapshots listed in one metadata file, refs aside. Issue: retention. */
export const SNAPSHOTS_IN_FILE_MAX = 500;
/** Entries of the metadata log. Iceberg default of write.metadata.previous-versions-max. */
export const METADATA_LOG_MAX = 100;
/** Manifests of one spec and content before they are merged. Iceberg: commit.manifest.min-count-to-merge. */
export const MANIFESTS_TO_MERGE_MIN = 100;
/** Size of a merged manifest. Iceberg: commit.manifest.target-size-bytes. */
export const MANIFEST_BYTES_TARGET = 8 * 1024 * 1024;
/** Nesting of types that we read or write. */
export const TYPE_DEPTH_MAX = 64;
/** Keys that one run of a lookup asks for; the next takes those that are left. */
export const LOOKUP_KEYS_MAX = 10_000;
/** SQL text of one statement or model. */
export const SQL_CHARS_MAX = 1_000_000;
/** Views inlined into one statement. */
export const VIEW_DEPTH_MAX = 32;
/** Time an idle warm worker lives. DESIGN, decision 4. */
export const WORKER_IDLE_MS = 30_000;
/** Times between leaving the metadata and being unlinked. DESIGN, Settled. */
export const UNLINK_METADATA_AFTER_MS = 5 * 60_000;
export const UNLINK_MANIFEST_AFTER_MS = 60 * 60_000;
export const UNLINK_DATA_AFTER_MS = 24 * 60 * 60_000;
/** Plain bytes of one block of an Avro file that we read: stops decompression bombs. */
export const AVRO_BLOCK_BYTES_MAX = 256 * 1024 * 1024;
/** Bytes that manifests and manifest lists take which are kept decoded in memory; they never change. */
export const MANIFEST_CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** One message between the engine and a worker: a scan of a hundred thousand files fits many times. */
export const WORKER_MESSAGE_BYTES_MAX = 512 * 1024 * 1024;
/** Resident memory a worker gets at least: the runtime and the SQL library alone take about 130 MiB. */
export const WORKER_SHARE_BYTES_MIN = 256 * 1024 * 1024;
/** How often a busy worker's memory and time are looked at. robustness.md F5: 4 GB arrive in two seconds. */
export const WORKER_WATCH_MS = 40;
/** Wall time to parse or describe a statement. robustness.md F5: 20,000 UNION ALL plan for 25 s. */
export const WORKER_PLAN_MS = 60_000;
/** Wall time that each file of a batch adds to all that a worker may take over them. A damaged one takes some 20 ms. */
export const WORKER_MS_PER_FILE = 1_000;
/** Time in which a started worker must have loaded the SQL library. */
export const WORKER_START_MS = 30_000;
/** Plain bytes of a metadata file that we read. */
export const METADATA_BYTES_MAX = 512 * 1024 * 1024;
/** Snapshots that a table keeps for a model behind; further behind it loses its place and runs full. */
export const CURSOR_LAG_SNAPSHOTS_MAX = 2_000;
/** Likewise in time. `keep.lag` in tarn.yaml. */
export const CURSOR_LAG_MS = 7 * 24 * 60 * 60_000;
/** Bytes of metadata files kept parsed in memory; they never change. */
export const METADATA_CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** Rows of a data file that is written again when it loses some; larger ones get position deletes. */
export const REWRITTEN_ROWS_MAX = 100_000;
/** A file is written again when it loses a row if it has at most so many times the rows that are written anyway. */
export const REWRITTEN_TIMES_ADDED = 4;
/** Share of a data file's rows that position deletes may take out before what is left is written again. */
export const DEAD_SHARE_MAX = 0.25;
/** The same of what one statement takes out: many rows are read past by every query, and written again once. */
export const STATEMENT_DEAD_SHARE_MAX = 0.02;
/** Delete files of a table before they are written as one. */
export const DELETE_FILES_MAX = 16;
/** Rows of delete files that a worker keeps in memory, eight bytes each. */
export const DEAD_ROWS_KEPT_MAX = 1_000_000;
/** A compaction makes files of about this size, unless `maintenance.target_file_size` says otherwise. */
export const COMPACT_TARGET_BYTES = 128 * 1024 * 1024;
/** Bytes that one step of `up` makes fewer: a second or two of one processor. */
export const COMPACT_STEP_BYTES = 64 * 1024 * 1024;
/** Files that become one at a time: each costs the engine some 65 kB. */
export const COMPACT_FILES_MAX = 4_096;
/** Files of about one size that a partition may have before they are joined: a level is so many times the one below. */
export const COMPACT_LEVEL_FILES = 32;
/** Data files of at most REWRITTEN_ROWS_MAX rows that a table may have before a run that changes it makes them one. */
export const SMALL_DATA_FILES_MAX = 16;
/** Snapshots whose changes one statement tells. */
export const CHANGES_SNAPSHOTS_MAX = 500;
/** Share of the rows of its inputs above which a run computes all again, by keys or from their results. */
export const KEYED_CHANGED_MAX = 0.2;
export const COMBINED_CHANGED_MAX = 0.5;
/** Share of its keys above which a run computes all again. */
export const KEYED_SHARE_MAX = 0.3;
/** Files of so few rows are written again when a run by keys takes some out: a table of few groups stays one file. */
export const KEYED_REMADE_ROWS = 10_000;
/** Windows before one that changed that a model looks back to. */
export const LOOKBACK_MAX = 1_000;
/** Windows of event time that a run computes one by one, and how many of them in one statement. */
export const WINDOWS_MAX = 10_000;
export const WINDOWS_AT_ONCE = 16;
/** Rows below which no share is looked at: either is quick. */
export const KEYED_SHARE_ROWS = 10_000;
/** Rows, and bytes of their files, that a run reads and carries in tables of its own; more go through work files. */
export const WORK_TABLE_ROWS_MAX = 100_000n;
export const WORK_TABLE_BYTES_MAX = 16n * 1024n * 1024n;
/** Rows that one thread looks through sooner than several agree who does what, where they are asked often. */
export const FEW_ROWS_MAX = 500_000n;
/** Below the root: indexes of keys by table, which can be made again at any time. */
export const KEY_INDEX_FOLDER = ".keys";
/** Rows of a data file that one block of an index of keys is about: what a look at one key reads. */
export const KEY_BLOCK_ROWS = 256;
/** The same where the index holds the rows too. */
export const ROW_BLOCK_ROWS = 32;
/** Bytes of a data file whose rows an index of keys holds: it takes several times as many. */
export const ROW_INDEX_FILE_BYTES_MAX = 256n * 1024n * 1024n;
/** Bytes of the index of one data file; a larger one is not kept, and the file looked through. */
export const KEY_INDEX_BYTES_MAX = 4 * 1024 ** 3 - 1;
/** A look at one key in an index costs what looking through so many rows of the column costs. */
export const KEY_LOOKUP_ROWS = 128;
/** Snapshots of another engine entered one by one when they are seen together; earlier ones count as one step. */
export const FOREIGN_SNAPSHOTS_MAX = 500;
/** Footer of a Parquet file that we read. */
export const PARQUET_FOOTER_BYTES_MAX = 64 * 1024 * 1024;
/** Plain bytes and values of one page of a dropped Parquet file that is read row by row: a page is held in memory. */
export const PARQUET_PAGE_BYTES_MAX = 1024 * 1024 * 1024;
export const PARQUET_PAGE_VALUES_MAX = 64 * 1024 * 1024;
/** Plain bytes of all parts of a spreadsheet that we read: a full sheet of a million rows takes two or three GiB. */
export const SHEET_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** Characters of a spreadsheet's shared texts, which are held in memory. */
export const SHEET_TEXT_CHARS_MAX = 128 * 1024 * 1024;
/** Bytes of one frame of a segment: a database sends a row of up to a gibibyte as one message. */
export const SEGMENT_FRAME_BYTES_MAX = 1024 * 1024 * 1024 + 64 * 1024 * 1024;
/** Bytes of segments that are decoded by a process that is kept; more have one of their own, and its memory. */
export const KEPT_SEGMENT_BYTES_MAX = 128 * 1024 * 1024;
/** A text of so many bytes at most is read by it too, and without an engine where its rows are as usual. */
export const KEPT_TEXT_BYTES_MAX = 1024 * 1024;
/** Resident memory above which that process makes room for another one: it starts with some 110 MiB. */
export const KEPT_WORKER_BYTES_MAX = 192 * 1024 * 1024;
/** One schema of a registry, which stands in every segment whose records name it. */
export const SCHEMA_BYTES_MAX = 16 * 1024 * 1024;
export const SCHEMA_REFERENCES_MAX = 1_000;
/** Schemas that the records of one segment may name before it is sealed. */
export const SEGMENT_SCHEMAS_MAX = 100;
/** What a file is found again by when it goes on under another name. */
export const HEAD_BYTES = 1024;
/** Windows that HOP and CUMULATE make of one row at most: a week by the minute. */
export const WINDOWS_OF_ROW_MAX = 10_080;

/** The branch that everything is on unless it says otherwise. Iceberg spec, "Snapshot References". */
export const MAIN = "main";
/** How a moment says that it is a branch as it is now: `branch:NAME`. */
export const BRANCH_PREFIX = "branch:";
