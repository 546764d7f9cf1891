// Exports nothing. import.mjs imports this file first, so that the loader has done its first work.
export {};
