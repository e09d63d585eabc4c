/** What the commands about records share: the state directory opened, and steps signed, accepted and told of. */
import { SQLiteError } from "bun:sqlite";
import { DnetError } from "../base/error.ts";
import { keyPairFromSeed } from "../crypto/ed25519.ts";
import { DnetList } from "../io/dnet-list.ts";
import { type DnetDbFile, openDnetDb, refusalOf } from "../io/dnetdb-file.ts";
import { openStateDirectory, type StateDirectory } from "../io/state-directory.ts";
import { Wallet } from "../io/wallet.ts";
import { type Desk, readableDnet } from "../overlay/dnetdb/desk.ts";
import { currentKey, type DnetView, readDnet } from "../overlay/dnetdb/dnet-view.ts";
import { formatC2pkh, formatId, keyHash } from "../overlay/dnetdb/ids.ts";
import { parseInvitation } from "../overlay/dnetdb/invitation.ts";
import { type NetworkKey, NO_SECRETS, type Secrets } from "../overlay/dnetdb/network-key.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import { decodeTransaction, type Transaction } from "../overlay/dnetdb/transaction.ts";
import type { Context, Terminal } from "./command.ts";
import { findDnet, findOvx, findRecord } from "./dnet-reference.ts";
import type { Beholder } from "./dnet-text.ts";
import type { StateValues } from "./dnetdb-options.ts";
import { readPassphrase } from "./passphrase.ts";

/** Opens all, calls `use` and closes, however it ends. Throws DnetError. */
export async function inDnetDb<Result>(
  values: StateValues,
  context: Context,
  use: (session: DnetDbSession) => Result | Promise<Result>,
): Promise<Result> {
  const state = openStateDirectory(values.state);
  const wallet = new Wallet(state, context.random);
  const passphraseFile = values["passphrase-file"];
  if (passphraseFile !== undefined) wallet.ownerKeyPair(await readPassphrase(passphraseFile, context));
  const file = openDnetDb(state.dnetDb);
  try {
    return await use(new DnetDbSession({ state, wallet, file, context }));
  } catch (error) {
    throw (error instanceof SQLiteError && refusalOf(state.dnetDb, error)) || error;
  } finally {
    file.close();
  }
}

export class DnetDbSession {
  readonly state: StateDirectory;
  readonly wallet: Wallet;
  readonly list: DnetList;
  readonly file: DnetDbFile;
  readonly context: Context;

  constructor(parts: Pick<DnetDbSession, "state" | "wallet" | "file" | "context">) {
    this.state = parts.state;
    this.wallet = parts.wallet;
    this.file = parts.file;
    this.context = parts.context;
    this.list = new DnetList(parts.state.dnets);
  }

  get store(): Store {
    return this.file.store;
  }

  get terminal(): Terminal {
    return this.context.terminal;
  }

  /** The id of the dnet that a person named. Throws DnetError. */
  dnet(text: string): Uint8Array {
    return findDnet(this, text);
  }

  /** The same of a cloud or relay. */
  ovx(text: string): Uint8Array {
    return findOvx(this.store, text);
  }

  /** The same of either. */
  record(text: string): Uint8Array {
    return findRecord(this, text);
  }

  /** What this machine has to read a dnet by. */
  secrets(dnet: Uint8Array): Secrets {
    const { networkKey = null, draftKeys = [], invitation: code = null } = this.list.find(dnet) ?? {};
    const invitation = code === null ? null : parseInvitation(code);
    const seeds = invitation ? [keyPairFromSeed(invitation.seed)] : [];
    const known = [networkKey, ...draftKeys, invitation?.networkKey ?? null].filter((key) => key !== null);
    const newest = known.toSorted((a, b) => b.epoch - a.epoch);
    // That of a draft which was never submitted opens nothing.
    const opens = (key: NetworkKey) => currentKey(this.store, dnet, { networkKey: key, keyPairs: [] }) !== null;
    const right = (known.length > 1 ? newest.find(opens) : undefined) ?? newest[0] ?? null;
    return { networkKey: right, keyPairs: [...this.wallet.keyPairs, ...seeds] };
  }

  /** Throws DnetError when its records are not here. */
  view(dnet: Uint8Array): DnetView {
    const view = readDnet(this.store, dnet, this.secrets(dnet));
    if (view) return view;
    throw new DnetError("RECORD_ABSENT", `the records of ${formatId(dnet)} are not here yet`, {
      failure: "unknown-peer",
      hint: "dnet db sync, with a replica that has them, or dnet db import; of a draft dnet db submit",
    });
  }

  /** As `view`. Throws DnetError when its members cannot be read here. */
  readable(dnet: Uint8Array): DnetView {
    const view = this.view(dnet);
    return view.reads === "everything" ? view : readableDnet(this.desk(dnet), dnet);
  }

  /** For steps of that dnet; null for one that is not yet, and for a cloud or relay, which has no secrets. */
  desk(dnet: Uint8Array | null): Desk {
    const { store, context } = this;
    const secrets = dnet ? this.secrets(dnet) : NO_SECRETS;
    return { store, now: context.now(), random: context.random, secrets, ownerKeys: dnet ? this.#ownerKeys(dnet) : [] };
  }

  /** Whose machine this is, now. */
  beholder(): Beholder {
    const { wallet, context } = this;
    return { ownerKeyHash: keyHash(wallet.ownerPublicKey), nodeKey: wallet.nodeKeyPair.publicKey, now: context.now() };
  }

  /** One JSON object, or `text`, on stdout. */
  print(isJson: boolean, schema: string, facts: object, text: string): void {
    this.terminal.stdout.write(isJson ? `${JSON.stringify({ schema, ...facts })}\n` : text);
  }

  printWords(text: string): void {
    this.terminal.stderr.write(text);
  }

  /** The public keys of a dnet's owners, whose lock has but hashes: of those that have signed anything, and this machine's. */
  #ownerKeys(dnet: Uint8Array): Uint8Array[] {
    const { store, wallet } = this;
    const owners = new Set(store.view(dnet)?.lock.keyHashes.map(formatC2pkh));
    const signers = store.transactionsOf(dnet).flatMap((bytes) => (decodeTransaction(bytes) as Transaction).signatures);
    const known = [wallet.ownerPublicKey, ...signers.map(({ publicKey }) => publicKey)];
    const all = new Map(known.map((publicKey) => [formatC2pkh(keyHash(publicKey)), publicKey]));
    return [...all].flatMap(([c2pkh, publicKey]) => (owners.has(c2pkh) ? [publicKey] : []));
  }
}
