/** What the first word behind a command means, for commands that have such words: one line each. */

export const COMMAND_WORDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  source: {
    ls: "Lists the sources, where their rows come from and where they land.",
    check: "Asks the source's server whether it can be read, and says what is missing.",
    discover:
      "Says what is at an address: tables, topics, endpoints, with the lines that declare them.",
    models: "Writes a model for each table of the source: the table as it is now.",
    pause: "Stops reading a stream; what it sends waits with whoever sends it.",
    resume: "Reads a paused stream on from where it stopped.",
    resnapshot: "Reads what is there again, in place of what was read before.",
  },
  quarantine: {
    list: "Counts rows that are set aside, by table and reason.",
    show: "Shows the rows of one source with place, reason and raw text.",
    retry: "Lands rows that fit by now, or with other values (--set).",
    drop: "Gives rows up for good; originals still hold them.",
    export: "Writes rows with their texts into a CSV file, to be edited.",
    load: "Lands the rows of an exported file whose texts were changed, by their ids.",
  },
  branch: {
    list: "Lists branches, or the tables of one, with how far they are ahead of main and behind it.",
    create: "Begins a branch; tables join it when they are changed on it, or are named.",
    audit:
      "Runs the queries of tests/, or of files, on the branch: one that answers rows has failed.",
    promote: "Audits the branch, and makes it main in all of its tables by one commit.",
    "cherry-pick": "Puts what the branch appends to a table on top of main.",
    drop: "Gives the branch up; its snapshots age like others.",
  },
  secret: {
    set: "Stores a value, typed or piped, that only its owner can read.",
    ls: "Lists names with where each comes from and who uses it; values are never shown.",
    rm: "Forgets a stored value.",
  },
  contract: {
    log: "Lists the versions of a contract and what each changed.",
    show: "Shows the columns of a version with types and rules.",
    export: "Prints a version as a document: Open Data Contract Standard, or JSON Schema.",
    check: "Compares a document with what a table's files hold, under a mode of compatibility.",
    keep: "Leaves a column its type for good: values that do not fit it are set aside.",
    widen: "Gives a column the type that takes all of its values, those set aside too.",
    rename: "Calls a learned column otherwise; all that landed is read again under the name.",
  },
  maintain: {
    compact: "Makes small files of a partition one, and leaves deleted rows out of them.",
    manifests: "Writes small manifests again as few, so that plans read less.",
    expire: "Takes out the past snapshots that keep.snapshots lets go of.",
    orphans: "Finds files that nothing names, and removes those that have waited a day.",
    all: "Does all of these, one after the other.",
  },
  connect: {
    spark: "A command line of spark-sql with the lake as catalog `tarn`.",
    pyiceberg: "Lines of Python that open the lake as a catalog.",
    duckdb: "A command line of DuckDB with the lake attached as `tarn`.",
  },
  config: {
    show: "Prints the configuration in force, with secrets hidden.",
    schema: "Prints the JSON Schema of tarn.yaml, for editors.",
  },
};
