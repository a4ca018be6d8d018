/** How the records of a CSV file are told apart, and their fields. */

export interface CsvShape {
  readonly delimiter: string;
  /** Null: no quoting at all. */
  readonly quote: string | null;
  /** Fields of a good record; 0: any number. */
  readonly columns: number;
  /** Makes a quote, a delimiter, a line end or itself behind it a character of the text; null: quotes are doubled. */
  readonly escapeMark?: string | null;
  /** Lines that begin with it are no records. */
  readonly comment?: string | null;
  /** Spaces behind delimiters are no part of the fields. */
  readonly padded?: boolean;
  /** Empty fields that a good record ends in, beyond its columns. */
  readonly closing?: number;
  /** The first record is the header: no row, and none where it stands again. */
  readonly hasHeader?: boolean;
  /** Records that one stray quote keeps from parsing are read where there is one way to (`stray.ts`). */
  readonly strays?: boolean;
  /** Fields that are missing at the end of a record are empty. */
  readonly fills?: boolean;
  /** A row of units behind the header is none of the table. */
  readonly units?: boolean;
}
