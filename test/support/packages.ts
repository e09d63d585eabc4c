/** Debian's programs that tests, demonstration and benchmarks run against; installed when we may, named when we may not. */

/** A program and the package that has it. */
export const PROGRAMS: { readonly [program: string]: string } = {
  ip: "iproute2",
  ping: "iputils-ping",
  iperf3: "iperf3",
  ethtool: "ethtool",
  nft: "nftables",
  sysctl: "procps",
  zsh: "zsh",
  fish: "fish",
  wg: "wireguard-tools",
  "wireguard-go": "wireguard-go",
  miniupnpd: "miniupnpd-nftables",
};

/** Installs what is missing, as root on Debian; returns the programs that are still missing. */
export function ensurePrograms(programs: readonly string[] = Object.keys(PROGRAMS)): string[] {
  const missing = () =>
    programs.filter((program) => !Bun.which(program, { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` }));
  if (missing().length === 0 || process.getuid?.() !== 0 || !Bun.which("apt-get")) return missing();
  const packages = [...new Set(missing().map((program) => PROGRAMS[program]!))];
  console.error(`installing ${packages.join(", ")} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...words: string[]) =>
    Bun.spawnSync(["apt-get", "-q", ...words], { env, stdout: "ignore", stderr: "pipe" });
  if (apt("install", "-y", "--no-install-recommends", ...packages).exitCode !== 0) {
    apt("update");
    const { exitCode, stderr } = apt("install", "-y", "--no-install-recommends", ...packages);
    if (exitCode !== 0) console.error(stderr.toString());
  }
  return missing();
}
