/** What the executable is made of, and on which terms. The texts are the packages' own files, embedded when built. */

import ownText from "../../LICENSE" with { type: "text" };
import ciphersText from "../../node_modules/@noble/ciphers/LICENSE" with { type: "text" };
import { version as ciphersVersion } from "../../node_modules/@noble/ciphers/package.json";
import hashesText from "../../node_modules/@noble/hashes/LICENSE" with { type: "text" };
import { version as hashesVersion } from "../../node_modules/@noble/hashes/package.json";
import scureText from "../../node_modules/@scure/base/LICENSE" with { type: "text" };
import { version as scureVersion } from "../../node_modules/@scure/base/package.json";
import { version as ownVersion } from "../../package.json";
import bunText from "./bun-notice.txt" with { type: "text" };

export interface Notice {
  readonly name: string;
  readonly version: string;
  /** In one line: an SPDX expression where there is one. */
  readonly license: string;
  readonly text: string;
}

export const notices: readonly Notice[] = [
  { name: "dnet", version: ownVersion, license: "MIT", text: ownText },
  { name: "@noble/ciphers", version: ciphersVersion, license: "MIT", text: ciphersText },
  { name: "@noble/hashes", version: hashesVersion, license: "MIT", text: hashesText },
  { name: "@scure/base", version: scureVersion, license: "MIT", text: scureText },
  { name: "bun", version: Bun.version, license: "MIT, and others for what it links", text: bunText },
];
