export interface PrebuildTarget {
  /** `linux-x64-glibc` */
  readonly name: string;
  readonly arch: 'x64' | 'arm64';
  readonly libc: 'glibc' | 'musl';
  /** From the root of the project. */
  readonly file: string;
  /** What zig calls it. */
  readonly zig: string;
}
export const targets: readonly PrebuildTarget[];
export function sourcesHash(): string;
export function builtFrom(file: string): string | undefined;
export function noteSources(file: string, hash: string): void;
