// Types of resources.mjs.
export function descriptors(): string[];
export function threads(): string[];
export function residentMiB(): number;
export function eventually(what: string, holds: () => boolean): Promise<void>;
