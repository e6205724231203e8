// Whether an installer may become a node: one claim per open install intent, bound to the key that came
// first. A second key for the same intent is an alarm and changes nothing.

import type { NodeId } from "@drover/shared/ids";
import type { DesiredDocument, NodeDesired } from "@drover/shared/messages/desired";

export interface KnownClaim {
  readonly node: string;
  readonly installSerial: number;
  readonly publicKey: string;
}

export interface ClaimAttempt {
  readonly macs: readonly string[];
  readonly publicKey: string;
  readonly installSerial: number;
}

export type ClaimVerdict =
  | { readonly kind: "accepted"; readonly node: NodeId; readonly isNew: boolean }
  | {
      readonly kind: "refused";
      readonly node: NodeId | null;
      readonly isAlarm: boolean;
      readonly because: string;
    };

/** The one node that desired state knows by any of the addresses; several is as bad as none. */
export function nodeOfMacs(
  desired: DesiredDocument,
  macs: readonly string[],
): NodeDesired | undefined {
  const found = desired.nodes.filter((node) => node.macs.some((mac) => macs.includes(mac)));
  return found.length === 1 ? found[0] : undefined;
}

export function judgeClaim(
  attempt: ClaimAttempt,
  desired: DesiredDocument | undefined,
  claims: readonly KnownClaim[],
): ClaimVerdict {
  const refuse = (node: NodeId | null, because: string, isAlarm = false): ClaimVerdict => ({
    kind: "refused",
    node,
    because,
    isAlarm,
  });
  if (!desired) return refuse(null, "the site has no desired state yet");
  const node = nodeOfMacs(desired, attempt.macs);
  if (!node) return refuse(null, "no single node has these addresses");
  if (!node.install) return refuse(node.id, "the node has no open install intent");
  if (node.install.serial !== attempt.installSerial)
    return refuse(node.id, `the open install intent has number ${node.install.serial}`);
  const earlier = claims.find(
    (claim) => claim.node === node.id && claim.installSerial === attempt.installSerial,
  );
  if (!earlier) return { kind: "accepted", node: node.id, isNew: true };
  if (earlier.publicKey === attempt.publicKey)
    return { kind: "accepted", node: node.id, isNew: false };
  return refuse(node.id, "this install intent was already claimed with another key", true);
}

/** The key a node speaks with: that of its newest claim. */
export function keyOf(node: string, claims: readonly KnownClaim[]): string | undefined {
  return claims
    .filter((claim) => claim.node === node)
    .sort((left, right) => right.installSerial - left.installSerial)[0]?.publicKey;
}
