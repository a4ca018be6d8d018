/** Files that are imported as text and embedded in the binary. */

declare module "*.sql" {
  const text: string;
  export default text;
}

declare module "*.csv" {
  const text: string;
  export default text;
}

declare module "*.ndjson" {
  const text: string;
  export default text;
}
