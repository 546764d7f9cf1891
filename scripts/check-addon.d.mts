export function addonProblems(
  file: string,
  system: { arch: 'x64' | 'arm64'; libc: 'glibc' | 'musl' },
): string[];
