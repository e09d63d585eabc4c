/** Opens DNetDB's file at argv[2], made when it is missing, and prints the store's id. */
import { openDnetDb } from "../../src/io/dnetdb-file.ts";

const file = openDnetDb(process.argv[2]!);
process.stdout.write(file.store.id.toHex());
file.close();
