/** Where datagrams go: an IP address in text (IPv4 dotted, or IPv6 as RFC 5952 writes it, without brackets) and a port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.host === b.host;
}

/** `192.0.2.1:1776` or `[2001:db8::1]:1776`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
