/** How a program runs on a machine that has no libcrypto: in a mount namespace where there is nothing at its place. */

/** The words that start `command` so. Needs root. */
export function withoutLibcrypto(command: readonly string[]): string[] {
  const { stdout } = Bun.spawnSync(["ldconfig", "-p"], {
    env: { ...process.env, PATH: `${process.env["PATH"]}:/sbin` },
  });
  const paths = [...stdout.toString().matchAll(/^\s+libcrypto\.so\S* .*=> (\S+)$/gm)].map((match) => match[1]!);
  const hide = [...new Set(paths)].map((path) => `mount --bind /dev/null ${path} && `).join("");
  return ["unshare", "--mount", "sh", "-c", `${hide}exec "$@"`, "sh", ...command];
}
