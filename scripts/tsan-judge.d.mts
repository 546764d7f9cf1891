/** Whether a report of ThreadSanitizer, from node with the addon, is about our code. */
export function isOurs(report: string): boolean;
