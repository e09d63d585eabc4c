import { accept } from "./accept.ts";
import { group } from "./command.ts";
import { completion } from "./completion.ts";
import { db } from "./db.ts";
import { dht } from "./dht.ts";
import { gateway } from "./gateway.ts";
import { help } from "./help.ts";
import { invite } from "./invite.ts";
import { join } from "./join.ts";
import { lab } from "./lab.ts";
import { licenses } from "./licenses.ts";
import { member } from "./member.ts";
import { net } from "./net.ts";
import { ovx } from "./ovx.ts";
import { tunnel } from "./tunnel.ts";
import { version } from "./version.ts";
import { wallet } from "./wallet.ts";

/** The command table: all that `dnet` can be told. What a person does first comes first. */
export const root = group({
  name: "dnet",
  summary: "A private network for a group of machines, without anyone in the middle",
  subcommands: [
    ...[net, member, invite, join, accept],
    ...[ovx, wallet, db],
    ...[tunnel, gateway, dht],
    ...[lab, version, licenses, completion, help],
  ],
});
