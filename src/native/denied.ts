// Whether the permissions of the runtime refused something: `node --permission` and Deno. Knows nothing of what was
// asked for.

/** Whether a permission that the process was not given made this error. */
export function isDenied(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (error as { code?: string }).code === 'ERR_ACCESS_DENIED' || error.name === 'NotCapable';
}
