/**
 * What each system table is about and what each of its columns means: one line each. A test names the lines that are
 * missing here, and those that are about nothing.
 */

export interface TableMeaning {
  /** What a row of it is. */
  readonly row: string;
  /** A question that it answers, as it is asked. */
  readonly example: string;
  readonly columns: Readonly<Record<string, string>>;
}

/** Columns that mean the same wherever they stand; a table says otherwise under its own. */
export const COMMON_COLUMNS: Readonly<Record<string, string>> = {
  table_schema: "Layer of the table: bronze, silver, gold or one of your own.",
  table_name: "Name of the table, without its layer.",
  table_uuid: "Identity of the table, which no other table ever has, whatever it is called.",
  commit_number:
    "Number of the commit that made it visible; one commit is one instant for all tables.",
  committed_at: "When that commit was made.",
  snapshot_id: "Iceberg snapshot, as in AT (VERSION => …).",
  parent_id: "Snapshot that this one was made on; NULL for the first.",
  sequence_number: "Short number of the snapshot in its table, as in orders@12.",
  batch: "Id of the batch, equal to _batch of its rows; later batches compare greater.",
  source: "Name of the source, as under sources: in tarn.yaml.",
  file: "Path of the dropped file, relative to the project.",
  rows_in: "Rows that were read; always landed + quarantined + duplicate.",
  rows_landed: "Rows that landed in the table.",
  rows_quarantined: "Rows that were set aside with their reason.",
  rows_duplicate: "Rows that were in the table already, because their file was.",
  withdrawn_by: "Commit that took the batch out again (restore, drop); NULL while it counts.",
  status:
    "open, fixed (landed after a retry), dropped (given up), or superseded (its file was replaced).",
  note: "What else is to be said of it; NULL where nothing is.",
};

/** Tables of the schema `lake`, by name; those that Iceberg defines answer to `orders$files` as well. */
export const LAKE_TABLES: Readonly<Record<string, TableMeaning>> = {
  models: {
    row: "a model of the project, as its file stands now",
    example: "select table_schema, table_name, owner from lake.models where contract is null",
    columns: {
      kind: "What the table holds and how changes come to it: full, append, merge, and so on.",
      owner: "Whom to ask about it; NULL where the file says nobody.",
      description: "What a row of it is, as the file says.",
      grain: "Columns that tell its rows apart, as the file says.",
      tags: "Words to select it by.",
      key: "Columns that name a row, or the rows that go together.",
      partition: "Partition transforms.",
      contract: "enforced, where a run with other columns publishes nothing; else NULL.",
      model_hash: "Version of its query and settings, as in lake.runs; views it reads add theirs.",
      file: "Its file, relative to the project.",
    },
  },
  tables: {
    row: "A table of the lake, as it is now.",
    example:
      "select table_schema, table_name, record_count from lake.tables order by size_bytes desc",
    columns: {
      location: "Folder of the table's data and metadata.",
      format_version: "Version of the Iceberg format: 2 or 3.",
      snapshot_id: "Current snapshot; NULL while the table is empty.",
      sequence_number: "Number of the current snapshot in this table.",
      record_count: "Rows of its data files, those that position deletes take out included.",
      file_count: "Data files that are read for a whole scan.",
      size_bytes: "Bytes of these data files.",
      last_updated_at: "When its metadata changed last.",
      metadata_location: "Metadata file that is current: what other engines open.",
      properties: "Iceberg table properties, a map.",
    },
  },
  maintenance: {
    row: "A table of the lake, and how it was looked after: what up and tarn maintain do.",
    example: "select table_name, file_count, maintained_at, message from lake.maintenance",
    columns: {
      file_count: "Data files that are read for a whole scan.",
      size_bytes: "Bytes of these data files.",
      delete_file_count: "Files that delete rows of them.",
      deleted_record_count: "Rows that they delete by position.",
      snapshot_count: "Snapshots that are kept.",
      maintained_at: "When it was maintained last; NULL for never.",
      commit_number: "The commit that did it.",
      message: "What it did.",
    },
  },
  snapshots: {
    row: "A snapshot that is still kept: a state of one table that can be read.",
    example: "select sequence_number, committed_at, operation from orders$snapshots",
    columns: {
      committed_at: "When the snapshot was made.",
      operation: "append, overwrite, delete, or replace (the same rows in other files).",
      manifest_list: "File that lists the manifests of the snapshot.",
      summary: "Counts that its writer left, a map: added-records, total-data-files and others.",
    },
  },
  history: {
    row: "A moment at which a snapshot became the current one of its table.",
    example:
      "select made_current_at, snapshot_id from orders$history where not is_current_ancestor",
    columns: {
      made_current_at: "When it became current.",
      is_current_ancestor:
        "False for a state that was set back: the current one does not come from it.",
    },
  },
  refs: {
    row: "A branch or a tag of one table; a tag of tarn is one in every table.",
    example: "from lake.refs where type = 'TAG'",
    columns: {
      name: "Name of the branch or tag, as in AT (TAG => 'month-end').",
      type: "BRANCH or TAG.",
      max_reference_age_in_ms: "After how long the reference itself goes; NULL keeps it.",
      min_snapshots_to_keep: "Snapshots of the branch that are kept however old they are.",
      max_snapshot_age_in_ms: "Age up to which snapshots of the branch are kept.",
    },
  },
  manifests: {
    row: "A manifest of a current snapshot: a list of data files, or of delete files.",
    example: "select path, added_data_files_count from orders$manifests",
    columns: {
      content: "0 for data files, 1 for delete files.",
      path: "Where the manifest lies.",
      length: "Its bytes.",
      partition_spec_id: "Partition spec that its files were written with.",
      added_snapshot_id: "Snapshot that wrote it.",
      added_data_files_count: "Data files that it adds.",
      existing_data_files_count: "Data files that it carries on from older manifests.",
      deleted_data_files_count: "Data files that it takes out.",
      added_delete_files_count: "Delete files that it adds.",
      existing_delete_files_count: "Delete files that it carries on.",
      deleted_delete_files_count: "Delete files that it takes out.",
    },
  },
  files: {
    row: "A file of a current snapshot.",
    example: "select count(*), avg(file_size_in_bytes) from orders$files where content = 0",
    columns: {
      content: "0 data, 1 position deletes, 2 equality deletes.",
      file_path: "Where the file lies.",
      file_format: "PARQUET for all that tarn writes.",
      spec_id: "Partition spec that it was written with.",
      partition: "Its partition as folders spell it; NULL without partitions.",
      record_count: "Rows of the file, or deletes in it.",
      file_size_in_bytes: "Its bytes.",
      sort_order_id: "Iceberg sort order that its rows are in; NULL for none.",
      data_sequence_number: "Order in which deletes apply: to data of lower numbers.",
      added_snapshot_id: "Snapshot that added it.",
    },
  },
  corrections: {
    row: "A correction that holds: what models read in the place of what landed.",
    example: "select correction, table_name, range, statement from lake.corrections",
    columns: {
      correction: "Its name: that of its file below corrections/.",
      range: "The rows that it is about; NULL for all of the table's.",
      statement: "What it sets, or which rows it takes out.",
      hash: "Of its range and statement; inputs of lake.runs name it.",
      file: "Its file in the project.",
      since: "When it began to hold as it is.",
      owner: "Whom to ask about it.",
      description: "Why it is right.",
    },
  },
  commits: {
    row: "A table of a commit; a commit over several tables has several rows with one number.",
    example: "select commit_number, kind, message from lake.commits order by 1 desc limit 10",
    columns: {
      commit_number: "Number of the commit, one higher each time, over all tables of the lake.",
      committed_at: "When it was made; strictly increasing.",
      kind:
        "land, build, replay, restore, retry, maintain, withdraw, drop, forget, schema, write (a " +
        "statement), or foreign (another engine).",
      message: "What was done, in one line.",
      snapshot_id: "Snapshot that the table has since.",
      parent_id: "Snapshot that it had before.",
      operation: "Iceberg's word: append, overwrite, replace or delete.",
      added_records: "Rows that came.",
      deleted_records: "Rows that went.",
      total_records: "Rows of the table afterwards.",
    },
  },
  intervals: {
    row: "A time at which a model was due by its schedule or interval, and what came of it.",
    example: "select due_at, table_name from lake.intervals where status in ('missed', 'failed')",
    columns: {
      due_at: "When it was due.",
      status:
        "done, failed, nothing-new (nothing to take), or missed (nothing ran then: the next one took its rows).",
      ended_at: "When it was done; NULL where it was missed.",
      run: "Id of the run, as in lake.runs; NULL where none was needed.",
    },
  },
  watermarks: {
    row: "An input of a model whose windows close (emit: on_window_close), and how far event time has come.",
    example:
      "select table_name, watermark, input, input_watermark from lake.watermarks where holds_back",
    columns: {
      watermark: "No window that ends later is in the model's table; NULL: none is.",
      watermark_before: "That of the run before: rows of the last batch were late by it.",
      late_rows: "Rows of the last batch that were too late, once for each window.",
      input: "Table that the model reads.",
      column_name: "Column that has the time of its rows.",
      delay_ms: "How much later than others a row may come, in milliseconds.",
      seen: "Greatest time of a row that is not from the future; NULL: none was seen.",
      input_watermark:
        "That less the delay; the least over inputs that are not idle is the watermark.",
      holds_back: "No other input has a lesser one.",
      idle_timeout_ms:
        "Without rows for so long it is not waited for, in milliseconds; NULL: always.",
      is_idle: "It is not waited for now.",
      came_at: "When rows came last.",
      future_rows: "Rows whose time was too far ahead of their arrival; they moved nothing.",
      furthest_future: "Greatest time of these.",
    },
  },
  runs: {
    row: "A run of a model, or a landing that failed.",
    example: "from lake.runs where status = 'failed' order by ended_at desc",
    columns: {
      run: "Id of the run.",
      mode: "incremental, full, replay, or land (a source that could not land).",
      reason: "Why it ran as it did: new rows, changed model, first run, asked for.",
      status: "ok or failed; what failed changed nothing.",
      error: "What failed, NULL for ok.",
      started_at: "When it began.",
      ended_at: "When it ended.",
      run_time: "What now() was in it; a replay takes that of the run it repeats.",
      timezone: "Zone of its zoneless times and of current_date.",
      engine: "Version of the SQL engine.",
      model_hash: "Version of the model: its SQL, settings, tests and zone.",
      commit_number: "Commit that published it; NULL where nothing was published.",
      rows_in: "Rows that it read of its inputs.",
      rows_written: "Rows that it wrote.",
      rows_quarantined: "Rows that a test set aside.",
      rows_dropped: "Rows that a test left out (on_fail: drop).",
      inputs: "Tables that it read, with the snapshots from which and up to which, as JSON.",
      variables:
        "Variables that its SQL named, with their values as SQL, as JSON; NULL without any.",
    },
  },
  batches: {
    row: "A batch that was committed: what landed at once in one table.",
    example: "select batch, rows_in, rows_quarantined from lake.batches where state = 'live'",
    columns: {
      started_at: "When it was taken up.",
      state:
        "live, withdrawn (taken out by a restore or drop), replaced (a later batch stands in for it), or " +
        "forgotten.",
    },
  },
  sources: {
    row: "A source that has landed something, with its totals over live batches.",
    example: "select source, last_landed_at, lag_seconds from lake.sources",
    columns: {
      files: "Files, or segments of a stream, that landed.",
      batches: "Batches that it landed in.",
      last_landed_at: "When something of it landed last.",
      contract_version: "Version of its contract: which columns and types its rows have.",
      lag_bytes: "Bytes that wait at the source; NULL where it cannot say.",
      lag_rows: "Rows or records that wait at the source; NULL where it cannot say.",
      lag_seconds: "Age of the oldest that waits, in seconds.",
      lag_measured_at: "When the lag was measured last.",
    },
  },
  ledger: {
    row: "A file, or a tail of one, as one batch took it.",
    example: "select file, outcome, rows_in, rows_landed from lake.ledger where source = 'orders'",
    columns: {
      version: "1 for the first content under this name, then 2, 3, …",
      outcome:
        "landed, quarantined (whole), duplicate, replaced, or prefix (its beginning was in already).",
      reason: "Why it was set aside, or what it repeats; NULL where it landed.",
      state: "live, withdrawn, replaced, or forgotten: only live rows are in the table.",
      sha256: "Hash of the whole file, in hex.",
      size_bytes: "Bytes of the file.",
      modified_at: "When the dropped file was changed last.",
      original: "Where the copy is kept, from the lake's folder; NULL with before_landing.",
      from_byte: "What stands before this byte had landed earlier; 0 for a whole file.",
      contract_version: "Version of the contract that it was read under.",
    },
  },
  quarantine: {
    row: "A row, or a whole file, that was ever set aside, with what became of it.",
    example: "select reason, count(*) from lake.quarantine where status = 'open' group by all",
    columns: {
      id: "Id of the row, the same however often its file is read: --id of tarn quarantine.",
      changed_at: "When its status changed last.",
      set_aside_at: "When it was set aside.",
      position: "Where it stands: line 88, row 12, or file for a whole file.",
      line: "Line of a text file; NULL for others.",
      column_name: "Column whose value does not fit; NULL where it is about the row.",
      reason: "Kind of misfit, one of the closed list below.",
      message: "What does not fit, with the value.",
      file_sha256: "Hash of the file that it came in.",
      batch: "Batch that set it aside.",
      note: "What closed it: the correction, or the file that stands in for it.",
    },
  },
  quarantine_events: {
    row: "A change of status of a row that was set aside, oldest first.",
    example: "from lake.quarantine_events where status = 'fixed' order by changed_at desc",
    columns: {
      id: "Id of the row.",
      status: "Status that it took on: open, fixed, dropped or superseded.",
      changed_at: "When.",
      batch: "Batch that brought the change; empty for one that no batch brought.",
      note: "What was said of it, as the correction.",
      action: "replace (landed with other text) or drop; NULL for other changes.",
    },
  },
  reconciliations: {
    row: "A comparison of a table with its source, and one more for each window that differs.",
    example:
      'select source, rows_there, rows_here, differences from lake.reconciliations where "window" is null',
    columns: {
      against: "source, ledger (what was accounted), or feed (what a cdc model was made of).",
      run: "Number of the comparison.",
      window: "Keys or offsets that the row is about; NULL for the table as a whole.",
      rows_there: "Rows on the side that was compared with.",
      rows_here: "Rows in the lake.",
      differences: "Rows that are missing, extra or have other values.",
      compared_at: "When.",
      position: "As of where in the source both sides were looked at.",
      verified_through: "Last time that nothing differed; NULL for never.",
      missing: "Some keys that only the other side has, as JSON.",
      extra: "Some keys that only the lake has, as JSON.",
      changed: "Some keys whose values differ, with their columns, as JSON.",
    },
  },
  drift: {
    row: "A change of what a source delivers, as it landed.",
    example: "select committed_at, column_name, change, from_type, to_type from lake.drift",
    columns: {
      column_name: "Column that changed.",
      change:
        "added, widened, relaxed (may be NULL now), retyped, ignored, quarantined, or misfits: a few values aside.",
      from_type: "Type before; NULL for a new column.",
      to_type: "Type afterwards, or that of the values that were set aside.",
      file: "Dropped file that brought it.",
      message: "What happened, in one line.",
    },
  },
  contracts: {
    row: "A column of a version of a contract.",
    example: "select version, column_name, type from lake.contracts where source = 'orders'",
    columns: {
      version: "Number of the version, from 1.",
      batch: "Batch that taught it.",
      position: "Place of the column in the contract, from 1.",
      column_name: "Column of the table.",
      field: "Field of the files that it is read from.",
      type: "Its type, in Iceberg's words.",
      required: "Whether NULL sets a row aside.",
      declared: "Whether tarn.yaml or a contract document names it; else it was learned.",
      seen: "Whether it has held a value yet; a column of NULLs alone awaits its type.",
      description: "What it means, from the contract document or tarn.yaml.",
      classification: "How confidential it is, in the words of the document.",
    },
  },
};

/** Tables of `information_schema`, by name. */
export const INFORMATION_SCHEMA: Readonly<Record<string, TableMeaning>> = {
  schemata: {
    row: "A schema: a layer, or lake.",
    example: "from information_schema.schemata",
    columns: {
      catalog_name: "Always lake.",
      schema_name: "Name of the layer.",
    },
  },
  tables: {
    row: "A table or a view.",
    example: "select table_schema, table_name from information_schema.tables",
    columns: {
      table_catalog: "Always lake.",
      table_type: "BASE TABLE, or VIEW for models of kind view.",
    },
  },
  columns: {
    row: "A column of a table; columns of views are not listed.",
    example:
      "select column_name, data_type from information_schema.columns where table_name = 'orders'",
    columns: {
      table_catalog: "Always lake.",
      column_name: "Name of the column.",
      ordinal_position: "Place of the column, from 1.",
      column_default: "Always NULL: no column has a default.",
      is_nullable: "YES, or NO for a required column.",
      data_type: "Its type, as the SQL shell writes it.",
    },
  },
};

/** Columns that tarn adds to tables, by the tables that have them. They stay out of `select *` and answer by name. */
export const ADDED_COLUMNS: Readonly<
  Record<string, { readonly of: string; readonly columns: Readonly<Record<string, string>> }>
> = {
  bronze: {
    of: "Every bronze table",
    columns: {
      _source: "Name of the source that the row came from.",
      _source_file: "Dropped file that it came in, relative to the project; _file means the same.",
      _batch: "Batch that landed it, as in lake.batches.",
      _ingested_at: "Instant of that batch, the same for all its rows.",
      _row: "Place of the row in its file, from 1; NULL once another engine rewrote its data file.",
      _rescued: "Fields that no column claims, as JSON; only with schema: ignore.",
    },
  },
  feed: {
    of: "Every change feed, which a database or a tool for change data capture sends",
    columns: {
      _op: "c created, u updated, d deleted, r read as it was there, t truncated, m message.",
      _position: "Where in the source's log it stands; sorts in the order of the feed.",
      _transaction: "Transaction that it belongs to.",
      _committed_at: "When that transaction was committed in the source.",
      _before: "What was sent of the old row, a struct.",
      _unchanged: "Columns whose value was not sent, because it did not change.",
    },
  },
  records: {
    of: "Every table of a Kafka topic",
    columns: {
      _key: "Key of the record.",
      _partition: "Partition of the topic.",
      _offset: "Offset in the partition.",
      _timestamp: "Time that the broker has for it.",
      _headers: "Headers of the record: name with value, or bytes where the value is no text.",
    },
  },
  versions: {
    of: "Every model that keeps versions (scd: 2, or kind: snapshot)",
    columns: {
      __START_AT: "From where on in the order of changes the version holds.",
      __END_AT: "Up to where it holds, itself not included; NULL for the version that holds now.",
      __IS_DELETED:
        "True for a version that says its key was gone; only with hard_deletes: new_record.",
    },
  },
  quarantine: {
    of: "Every quarantine table, such as bronze_quarantine.orders",
    columns: {
      id: "Id of the row, as in lake.quarantine.",
      source: "Source, or model, that set it aside.",
      file: "Dropped file that it came in; NULL for rows of models.",
      position: "Where it stands: line 88, row 12, or file for a whole file.",
      line: "Line of a text file; NULL for others.",
      column_name: "Column whose value does not fit.",
      reason: "Kind of misfit, one of the list below.",
      message: "What does not fit, with the value.",
      raw: "The row as it stood in the file, or as JSON for a model; cut after 64 KiB.",
      file_sha256: "Hash of the file that it came in.",
      _batch: "Batch that set it aside.",
      _ingested_at: "Instant of that batch.",
    },
  },
};

/** Why rows are set aside: the closed list behind `reason`. */
export const REASONS: Readonly<Record<string, string>> = {
  parse: "It is not a row of the format: JSON that does not parse, a quote that is not closed.",
  fields: "It has more or fewer fields than the header.",
  encoding: "Its bytes are no text in the file's encoding.",
  type: "A value does not fit its column exactly.",
  required: "A required column is NULL.",
  "unknown-field": "It has a field that nobody declared, under schema: quarantine.",
  "duplicate-key": "A JSON object names one key twice.",
  header: "It is the header of the CSV once more, among the rows.",
  units: "It is a row of units below the header of the CSV.",
  folder: "A value contradicts the key=value folders that the file lies in.",
  stranger: "The file shares no column with its table (strangers: hold).",
  key: "A key column of a cdc, snapshot or merge model is NULL.",
  sequence: "A change does not say where in the order it stands.",
  unchanged: "A row came under a new key without all of its values.",
  expectation: "A test of a model with on_fail: quarantine does not hold.",
  unreadable: "The file as a whole cannot be read.",
  limit: "The file goes over a limit, such as rows or nesting.",
  crash: "Reading the file ended its worker process twice.",
};
