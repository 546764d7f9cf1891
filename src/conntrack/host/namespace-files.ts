// Files under /proc as the network namespace of a session shows them.
import type { NativeFailure } from '../../errors.js';
import type { Session } from '../../native/session.js';

export interface NamespaceFiles {
  /** The content of each file, or why it could not be read. */
  read(paths: readonly string[], operation: string): Promise<(string | NativeFailure)[]>;
  write(path: string, text: string, operation: string): Promise<void>;
}

export function namespaceFiles(session: Session): NamespaceFiles {
  return {
    read: (paths, operation) =>
      session.run(operation, undefined, (binding, handle) =>
        binding.nsReadFiles(handle, paths, operation),
      ),
    write: (path, text, operation) =>
      session.run(operation, undefined, (binding, handle) =>
        binding.nsWriteFile(handle, path, text, operation),
      ),
  };
}
