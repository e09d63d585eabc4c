/**
 * What stands in the state directory (`paths.ts` says which that is). All of it is its owner's alone.
 *   dnetdb.sqlite   the records: `dnetdb-file.ts`
 *   owner.key       signs the records that are this machine's: `wallet.ts`
 *   node.key        what this machine is in the dnets that it belongs to: `wallet.ts`
 *   dnets.json      the dnets that this machine belongs to or owns: `dnet-list.ts`
 *   dnetdb.sock     where other processes of this machine sync: `dnetdb-sync.ts`
 */
import { join, resolve } from "node:path";
import { DnetError } from "../base/error.ts";
import { makePrivateDirectory, stateDirectory } from "./paths.ts";

export interface StateDirectory {
  readonly path: string;
  readonly dnetDb: string;
  readonly ownerKey: string;
  readonly nodeKey: string;
  readonly dnets: string;
  readonly socket: string;
}

/** Makes it when it is missing. `chosen`: what the person named. Throws DnetError when it is not ours alone. */
export function openStateDirectory(chosen?: string): StateDirectory {
  if (chosen === "") throw unnamed();
  const path = makePrivateDirectory(chosen === undefined ? stateDirectory() : resolve(chosen), "state");
  const at = (name: string) => join(path, name);
  return {
    path,
    dnetDb: at("dnetdb.sqlite"),
    ownerKey: at("owner.key"),
    nodeKey: at("node.key"),
    dnets: at("dnets.json"),
    socket: at("dnetdb.sock"),
  };
}

/** As from `--state "$DIR"` where DIR is not set: the current directory would be meant by nobody. */
function unnamed(): DnetError {
  return new DnetError("STATE_DIRECTORY_UNNAMED", "the name of the state directory is empty", {
    failure: "usage",
    hint: "the path of a directory",
  });
}
