import { group } from "./command.ts";
import { memberAdd } from "./member-add.ts";
import { memberList } from "./member-list.ts";
import { memberRemove } from "./member-remove.ts";

export const member = group({
  name: "member",
  summary: "Add and remove the members of a dnet",
  subcommands: [memberAdd, memberRemove, memberList],
});
