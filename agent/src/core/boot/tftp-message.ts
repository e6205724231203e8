// TFTP packets (RFC 1350, 2347) as data. We only serve reads; WRQ is decoded to be refused.

/** Options as asked, names in lower case, in the order asked. */
export type TftpOptions = readonly (readonly [name: string, value: string])[];

export interface TftpRequest {
  readonly kind: "rrq" | "wrq";
  readonly fileName: string;
  /** In lower case. */
  readonly mode: string;
  readonly options: TftpOptions;
}

export type TftpMessage =
  | TftpRequest
  | { readonly kind: "data"; readonly block: number; readonly bytes: Uint8Array }
  | { readonly kind: "ack"; readonly block: number }
  | { readonly kind: "error"; readonly errorCode: number; readonly message: string }
  | { readonly kind: "oack"; readonly options: TftpOptions };

/** RFC 1350 §5 and RFC 2347. */
export const tftpErrorCode = {
  notDefined: 0,
  notFound: 1,
  accessViolation: 2,
  illegalOperation: 4,
  unknownTransfer: 5,
  optionsRefused: 8,
} as const;
