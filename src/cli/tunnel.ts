import { group } from "./command.ts";
import { tunnelDown } from "./tunnel-down.ts";
import { tunnelGenkey, tunnelGenpsk, tunnelPubkey } from "./tunnel-keys.ts";
import { tunnelShow } from "./tunnel-show.ts";
import { tunnelUp } from "./tunnel-up.ts";

export const tunnel = group({
  name: "tunnel",
  summary: "Run one tunnel from a file in the format of wg-quick",
  subcommands: [tunnelUp, tunnelDown, tunnelShow, tunnelGenkey, tunnelPubkey, tunnelGenpsk],
});
