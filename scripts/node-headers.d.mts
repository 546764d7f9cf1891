/** The folder that node-gyp takes as `--nodedir`, if the headers of the running node are beside it. */
export function nodeHeaders(): string | undefined;
