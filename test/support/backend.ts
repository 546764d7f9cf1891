// The backend of iptables that this run is for. test/run.ts runs a file once for each that its first lines name.

/** The backend that this run is for. */
export const backend: 'legacy' | 'nft' = process.env.TEST_BACKEND === 'nft' ? 'nft' : 'legacy';
