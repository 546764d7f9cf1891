/** Whether a report of ThreadSanitizer, of node with the addon, is of our code. */
export function isOurs(report: string): boolean;
