export function cutChangelog(text: string, version: string, date: string): string;
export function isVersion(text: string): boolean;
export function plainAddress(url: string): string;
