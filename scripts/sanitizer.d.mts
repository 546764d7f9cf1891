// Types of sanitizer.mjs, for the tests.
export function buildSanitized(kind: 'asan' | 'tsan'): string;
export function sanitizedNode(
  kind: 'asan' | 'tsan',
  addon: string,
  reports: string,
  leaks: boolean,
): { node: string; env: Record<string, string> };
export function reportsIn(folder: string): string[];
/** The words before a program that runs under ThreadSanitizer. */
export const fixedLayout: readonly string[];
