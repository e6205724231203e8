// Writes the configuration text of nats-server. Pure: the same pieces give the same text, every value is
// quoted, and sites and server are told apart by signed identities alone.

export interface NatsConfig {
  readonly serverName: string;
  readonly listenHost: string;
  readonly port: number;
  readonly tls: { readonly certificateFile: string; readonly keyFile: string };
  /** JetStream folder; at most `storeBytesMax` are kept there. */
  readonly storeFolder: string;
  readonly storeBytesMax: number;
  readonly payloadBytesMax: number;
  readonly connectionsMax: number;
  readonly trust: NatsTrust;
  /** Folder of the account resolver, which keeps pushed revocations. */
  readonly resolverFolder: string;
}

/** What the server believes: made and signed elsewhere, only written down here. */
export interface NatsTrust {
  readonly operatorJwt: string;
  /** Public key of the system account. */
  readonly systemAccount: string;
  /** Account public key to account JWT. */
  readonly accountJwts: Readonly<Record<string, string>>;
}

/** The text for `nats-server -c`. Understood from 2.9.10 on. */
export function writeNatsConfig(config: NatsConfig): string {
  const accounts = Object.keys(config.trust.accountJwts).sort();
  return [
    "# Written at every start; changes made here are lost.",
    `server_name: ${quote(config.serverName)}`,
    `listen: ${quote(`${config.listenHost.includes(":") ? `[${config.listenHost}]` : config.listenHost}:${config.port}`)}`,
    `max_payload: ${config.payloadBytesMax}`,
    `max_connections: ${config.connectionsMax}`,
    // A whole fleet that reconnects at once must not run into the two seconds of the default.
    "authorization { timeout: 20 }",
    "tls {",
    `  cert_file: ${quote(config.tls.certificateFile)}`,
    `  key_file: ${quote(config.tls.keyFile)}`,
    "  timeout: 20",
    "}",
    "jetstream {",
    `  store_dir: ${quote(config.storeFolder)}`,
    `  max_file_store: ${config.storeBytesMax}`,
    "}",
    `operator: ${quote(config.trust.operatorJwt)}`,
    `system_account: ${quote(config.trust.systemAccount)}`,
    "resolver {",
    "  type: full",
    `  dir: ${quote(config.resolverFolder)}`,
    "  allow_delete: false",
    "}",
    "resolver_preload {",
    ...accounts.map((key) => `  ${key}: ${quote(config.trust.accountJwts[key] ?? "")}`),
    "}",
    "",
  ].join("\n");
}

/** The format has JSON's escapes in double quotes. Line breaks have no place in any value. */
function quote(value: string): string {
  return JSON.stringify(value);
}
