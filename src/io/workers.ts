/** Where the Workers' code is. Compiled, all modules are in one folder and each Worker at its place below this one: see build.ts. */
export const DATAPATH_WORKER = new URL("./datapath/worker.ts", import.meta.url);
export const VERIFY_WORKER = new URL("./verify/worker.ts", import.meta.url);
