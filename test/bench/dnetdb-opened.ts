/** `bun dnetdb-opened.ts FILE RECORD`: opens a store and asks it one thing; prints the ms that it took in this fresh process. */
import { openDnetDb } from "../../src/io/dnetdb-file.ts";

const [path = "", record = ""] = process.argv.slice(2);
const began = performance.now();
const { store, close } = openDnetDb(path);
const view = store.view(Uint8Array.fromHex(record));
console.log(performance.now() - began);
if (!view) throw new Error(`${record} is not here`);
close();
