import { group } from "./command.ts";
import { completion } from "./completion.ts";
import { dht } from "./dht.ts";
import { gateway } from "./gateway.ts";
import { help } from "./help.ts";
import { lab } from "./lab.ts";
import { licenses } from "./licenses.ts";
import { tunnel } from "./tunnel.ts";
import { version } from "./version.ts";

/** The command table: all that `dnet` can be told. */
export const root = group({
  name: "dnet",
  summary: "A private network for a group of machines, without anyone in the middle",
  subcommands: [tunnel, gateway, dht, lab, version, licenses, completion, help],
});
