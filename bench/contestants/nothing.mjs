// Imports nothing: what the loader needs for its first file is done when this has been imported.
export {};
