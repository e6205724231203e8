// Branded identifiers and the grammars they obey. Every id that can reach a path, a subject or a
// query is parsed by one of these first.
import { z } from "zod";

/** Opaque, never reused; the site's name may change, its id may not. Safe in a bus subject. */
export const SiteId = z
  .string()
  .regex(/^s-[a-z0-9]{4,32}$/)
  .brand<"SiteId">();
export type SiteId = z.infer<typeof SiteId>;

/** One computer that we image; unique in the fleet. */
export const NodeId = z
  .string()
  .regex(/^n-[a-z0-9]{4,32}$/)
  .brand<"NodeId">();
export type NodeId = z.infer<typeof NodeId>;

export const RolloutId = z
  .string()
  .regex(/^r-[a-z0-9]{4,32}$/)
  .brand<"RolloutId">();
export type RolloutId = z.infer<typeof RolloutId>;

export const GrantId = z
  .string()
  .regex(/^g-[a-z0-9]{4,48}$/)
  .brand<"GrantId">();
export type GrantId = z.infer<typeof GrantId>;

export const BuildId = z
  .string()
  .regex(/^b-[a-z0-9]{4,32}$/)
  .brand<"BuildId">();
export type BuildId = z.infer<typeof BuildId>;

/** Lower-case hex SHA-256. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .brand<"Sha256">();
export type Sha256 = z.infer<typeof Sha256>;

/** SHA-256 of the canonical manifest: names an image for ever. */
export const ImageId = Sha256.brand<"ImageId">();
export type ImageId = z.infer<typeof ImageId>;

/** Kind of node, such as `till` or `lite`: chooses procedure, disk layout and release. */
export const NodeClass = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/)
  .brand<"NodeClass">();
export type NodeClass = z.infer<typeof NodeClass>;

/** `dev`, `candidate`, `stable`, `lts-4.2`. */
export const ChannelName = z
  .string()
  .regex(/^[a-z][a-z0-9.-]{0,39}$/)
  .brand<"ChannelName">();
export type ChannelName = z.infer<typeof ChannelName>;

/** Six colon-separated lower-case hex pairs. */
export const MacAddress = z
  .string()
  .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/)
  .brand<"MacAddress">();
export type MacAddress = z.infer<typeof MacAddress>;

/** Random opaque tail for a new id: `size` characters of 32, from bytes given by the caller. */
export function idTail(bytes: Uint8Array): string {
  let tail = "";
  for (const byte of bytes) tail += "abcdefghijkmnopqrstuvwxyz2345678"[byte & 31];
  return tail;
}

/** Epoch milliseconds on the wire. */
export const EpochMs = z.number().int().min(0).max(253_402_300_799_999);
export type EpochMs = number;
