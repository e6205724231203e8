// A DHCP message (RFC 2131 §2) as data. Options are raw bytes by code, already joined per RFC 3396;
// codes 0 (pad) and 255 (end) never occur among them.

/** Option bytes by code (1-254); order is decided by the encoder. */
export type DhcpOptions = ReadonlyMap<number, Uint8Array>;

export interface DhcpMessage {
  readonly op: "request" | "reply";
  readonly htype: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  /** As on the wire; bit 15 asks for a broadcast reply. */
  readonly flags: number;
  /** ciaddr: the address the client already uses. */
  readonly clientIp: string;
  /** yiaddr: the address the client is given. */
  readonly yourIp: string;
  /** siaddr: the server of the next boot step. */
  readonly nextServerIp: string;
  /** giaddr: the relay the message came through. */
  readonly relayIp: string;
  /** chaddr cut to hlen (0-16 bytes). */
  readonly hardware: Uint8Array;
  /** sname, at most 63 bytes. */
  readonly serverName: string;
  /** file, at most 127 bytes. */
  readonly bootFile: string;
  readonly options: DhcpOptions;
}

export const broadcastFlag = 0x8000;

/** Option 53 (RFC 2132 §9.6). */
export const messageType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

export type MessageTypeName = keyof typeof messageType;

/** The option codes this program reads or writes. */
export const option = {
  subnetMask: 1,
  router: 3,
  dns: 6,
  hostName: 12,
  vendorOptions: 43,
  requestedIp: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  parameterList: 55,
  message: 56,
  maxMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientId: 61,
  tftpServerName: 66,
  bootFileName: 67,
  userClass: 77,
  relayInfo: 82,
  architecture: 93,
  networkInterface: 94,
  clientUuid: 97,
  subnetSelection: 118,
  ipxe: 175,
} as const;
