/** Where the rows of a text file stand: the line of each, kept only where rows and lines part. */

/** Line of the drop by number of the good row: kept where the distance between them changes. */
export class LineMap {
  #rows: number[] = [];
  #lines: number[] = [];

  add(row: number, line: number): void {
    const lastRow = this.#rows.at(-1);
    const lastLine = this.#lines.at(-1);
    if (lastRow !== undefined && lastLine !== undefined && line - lastLine === row - lastRow)
      return;
    this.#rows.push(row);
    this.#lines.push(line);
  }

  lineOf(row: number): number {
    let low = 0;
    let high = this.#rows.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#rows[middle] ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return (this.#lines[low] ?? 1) + row - (this.#rows[low] ?? 1);
  }
}
