import { group } from "./command.ts";
import { netAttach, netDetach } from "./net-attach.ts";
import { netClose } from "./net-close.ts";
import { netConfig } from "./net-config.ts";
import { netCreate } from "./net-create.ts";
import { netForget } from "./net-forget.ts";
import { netList } from "./net-list.ts";
import { netPolicy } from "./net-policy.ts";
import { netRekey } from "./net-rekey.ts";
import { netShow } from "./net-show.ts";
import { netTransfer } from "./net-transfer.ts";

export const net = group({
  name: "net",
  summary: "Make a dnet, and say who serves it, owns it and by what policy",
  subcommands: [
    netCreate,
    netList,
    netShow,
    netAttach,
    netDetach,
    netPolicy,
    netRekey,
    netTransfer,
    netClose,
    netConfig,
    netForget,
  ],
});
