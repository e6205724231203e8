// Second names for things that have one name here. Matching is on whole words; identifiers are split at
// their humps first.

export interface BannedWord {
  /** Source of a regular expression, matched between word boundaries in either case. */
  readonly word: string;
  readonly instead: string;
}

export const bannedWords: readonly BannedWord[] = [
  { word: "deployment", instead: "rollout" },
  { word: "deployments", instead: "rollouts" },
  { word: "campaign", instead: "rollout" },
  { word: "daemon", instead: "site agent or node agent" },
  { word: "heartbeat", instead: "beat" },
  { word: "cohort", instead: "wave" },
  // Disks, buses and virtual machines have devices; only in these senses would it be a node of ours.
  { word: "(?:edge|managed|enrolled|fleet) (?:devices?|machines?)", instead: "node" },
  {
    word: "(?:devices?|machines?|hosts?) (?:of|at) (?:a|the|each|every|one) site",
    instead: "node",
  },
];

/** Identifiers that would name one of our things by a word that is not ours. */
export const bannedIdentifier =
  /^(?:device|machine|host|target|location|store|worker|deployment|campaign)(?:Id|Ids|Class|Label|Labels|Facts|Slot|Agent)$/;
