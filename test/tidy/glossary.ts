// Words that have one name here, and the senses in which a banned word is something else. Matching is
// on whole words; identifiers are split at their humps first.

export interface BannedWord {
  readonly word: string;
  readonly instead: string;
  /** Phrases in which the word is a term of somebody else's. */
  readonly unless?: RegExp;
}

export const bannedWords: readonly BannedWord[] = [
  { word: "deployment", instead: "rollout" },
  { word: "deployments", instead: "rollouts" },
  { word: "campaign", instead: "rollout" },
  { word: "daemon", instead: "site agent or node agent" },
  { word: "heartbeat", instead: "beat" },
  { word: "cohort", instead: "wave" },
  {
    word: "device",
    instead: "node",
    unless:
      /\b(?:block|character|loop|root|boot|raw|hash|data|network|disk|verity|mapped) devices?\b|\bdevice[ -](?:mapper|mappings?|paths?|nodes?|numbers?|tree|names?|files?|id|type|identifier)\b|left on device|\bdevice the entry lies on|[ /"'`]dev\b|\bmedia device|PXE|UEFI|EFI_|udev/i,
  },
  {
    word: "devices",
    instead: "nodes",
    unless: /\b(?:block|character|loop|network|disk) devices\b/i,
  },
];

/** Identifiers that would name one of our things by a word that is not ours. */
export const bannedIdentifier =
  /^(?:device|machine|host|target|location|store|worker|deployment|campaign)(?:Id|Ids|Class|Label|Labels|Facts|Slot|Agent)$/;
