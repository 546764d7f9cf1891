// What is known about a table without reading its rules.

/** A table of one of the two backends. */
export interface BackendTable {
  /** The name of the table. */
  readonly table: string;
  /** How many rules it has. */
  readonly rules: number;
  /** Whether the table is in use: it has rules, a policy DROP, or (legacy) chains that are not built in. */
  readonly used: boolean;
}
