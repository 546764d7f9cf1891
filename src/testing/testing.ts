// The public surface of conntrack/testing: re-exports, no logic. Importing it loads no addon.
export {
  type MemoryFaultOptions,
  type MemoryIptablesOptions,
  MemoryKernel,
  type MemoryKernelOptions,
  type MemoryOperation,
  type MemoryPacket,
} from './memory-kernel.js';
