import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnetError } from "../../../src/base/error.ts";
import { makePrivateDirectory, runDirectory, stateDirectory } from "../../../src/io/paths.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-paths-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the run directory is root's, the session's, or one of our own among the temporary files", () => {
  expect(runDirectory({ XDG_RUNTIME_DIR: "/run/user/0" }, 0)).toBe("/run/dnet");
  expect(runDirectory({ XDG_RUNTIME_DIR: "/run/user/1000" }, 1000)).toBe("/run/user/1000/dnet");
  expect(runDirectory({}, 1000)).toBe(join(tmpdir(), "dnet-1000"));
  expect(runDirectory({ XDG_RUNTIME_DIR: "relative" }, 1000)).toBe(join(tmpdir(), "dnet-1000"));
});

test("DNET_RUN_DIR comes before all of them, and must be absolute", () => {
  expect(runDirectory({ DNET_RUN_DIR: "/elsewhere", XDG_RUNTIME_DIR: "/run/user/7" }, 0)).toBe("/elsewhere");
  expect(() => runDirectory({ DNET_RUN_DIR: "here" }, 0)).toThrow(DnetError);
});

test("a private directory is made with its parents, mode 0700, and found again", () => {
  const path = join(folder, "a", "b");
  expect(makePrivateDirectory(path)).toBe(path);
  expect(makePrivateDirectory(path)).toBe(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test("a directory that is not ours alone is refused, and so is what only looks like one", () => {
  const open = join(folder, "open");
  mkdirSync(open);
  chmodSync(open, 0o750);
  expect(() => makePrivateDirectory(open)).toThrow(`${open} is open to others (mode 750)`);
  const link = join(folder, "link");
  symlinkSync(makePrivateDirectory(join(folder, "target")), link);
  expect(() => makePrivateDirectory(link)).toThrow(`${link} is not a directory`);
  expect(() => makePrivateDirectory(join(folder, "target"), "run", 4242)).toThrow("belongs to user");
  writeFileSync(join(folder, "file"), "");
  expect(() => makePrivateDirectory(join(folder, "file"))).toThrow(DnetError);
});

test("the state directory is root's, or the user's own, and DNET_STATE_DIR comes before both", () => {
  expect(stateDirectory({ XDG_STATE_HOME: "/elsewhere" }, 0)).toBe("/var/lib/dnet");
  expect(stateDirectory({ XDG_STATE_HOME: "/home/ann/state", HOME: "/home/ann" }, 1000)).toBe("/home/ann/state/dnet");
  expect(stateDirectory({ HOME: "/home/ann" }, 1000)).toBe("/home/ann/.local/state/dnet");
  expect(stateDirectory({ XDG_STATE_HOME: "relative", HOME: "/home/ann" }, 1000)).toBe("/home/ann/.local/state/dnet");
  expect(stateDirectory({ DNET_STATE_DIR: "/elsewhere", HOME: "/home/ann" }, 0)).toBe("/elsewhere");
});

test("errors about the state directory name the variable that chooses another", () => {
  const failure = (make: () => unknown) => {
    try {
      make();
    } catch (error) {
      return error as DnetError;
    }
    throw new Error("it was accepted");
  };
  const relative = failure(() => stateDirectory({ DNET_STATE_DIR: "here" }));
  expect(relative).toMatchObject({ code: "STATE_DIRECTORY_RELATIVE", failure: "configuration" });
  const open = join(folder, "open-state");
  mkdirSync(open);
  chmodSync(open, 0o705);
  const unsafe = failure(() => makePrivateDirectory(open, "state"));
  expect(unsafe).toMatchObject({ code: "STATE_DIRECTORY_UNSAFE", failure: "permission" });
  expect(unsafe.hint).toContain("DNET_STATE_DIR");
  const denied = failure(() => makePrivateDirectory("/proc/dnet", "state"));
  expect(denied).toMatchObject({ code: "STATE_DIRECTORY_DENIED", failure: "permission" });
});
