import type { Report } from '../run.js';
export function writeDocs(_: Report): void {}
