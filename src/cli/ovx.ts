import { group } from "./command.ts";
import { ovxAuthorize, ovxRevoke } from "./ovx-authorize.ts";
import { ovxClose } from "./ovx-close.ts";
import { ovxCreate } from "./ovx-create.ts";
import { ovxList } from "./ovx-list.ts";
import { ovxShow } from "./ovx-show.ts";
import { ovxUpdate } from "./ovx-update.ts";

export const ovx = group({
  name: "ovx",
  summary: "Register clouds and relays, and say which dnets they serve",
  subcommands: [ovxCreate, ovxUpdate, ovxAuthorize, ovxRevoke, ovxList, ovxShow, ovxClose],
});
