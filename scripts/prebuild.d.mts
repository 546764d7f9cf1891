import type { PrebuildTarget } from './prebuild-targets.mjs';

export function findZig(): string;
export function compilers(
  zig: string,
  target: PrebuildTarget,
): { CC: string; CXX: string; AR: string };
