// Whether a node may be installed now, and with what: the site's committed release by a procedure that
// the fleet role signed. Expiry of desired state or metadata never stands in the way of an install.
import type { NodeClass, NodeId } from "@drover/shared/ids";
import { type ReleaseRef, releaseLabel } from "@drover/shared/release/release";
import type { Procedure } from "@drover/shared/site/procedure";
import type { DsseEnvelope } from "@drover/shared/trust/dsse";
import type { TrustedView } from "../site/orders-for.ts";
import { ordersFor } from "../site/orders-for.ts";

export interface InstallPlan {
  readonly kind: "install";
  readonly class: NodeClass;
  readonly release: ReleaseRef;
  readonly minimum: number;
  /** Not opened yet: its signature is the caller's to check. */
  readonly procedure: DsseEnvelope;
  readonly because: readonly string[];
}

export type InstallChoice =
  | InstallPlan
  | { readonly kind: "refused"; readonly because: readonly string[] };

const refused = (...because: string[]): InstallChoice => ({ kind: "refused", because });

/** What desired state lets this node be installed with. `now` is epoch ms. */
export function planInstall(node: NodeId, view: TrustedView, now: number): InstallChoice {
  const { desired } = view;
  const orders = ordersFor(node, view, now);
  const wanted = desired.nodes.find((each) => each.id === node);
  if (!orders || !wanted) return refused(`desired state does not know node ${node}`);
  if (desired.status !== "active") return refused(`the site is ${desired.status}`);
  if (!wanted.install) return refused("nobody has ordered an install of this node");
  if (!orders.class) return refused("the node has no class yet");
  const procedure = desired.classes[orders.class]?.procedure;
  if (!procedure) return refused(`class ${orders.class} has no procedure yet`);
  const release = orders.committed;
  if (!release) {
    const named = desired.classes[orders.class]?.committed;
    return refused(
      ...(named ? orders.because : [`the site has no committed release for class ${orders.class}`]),
    );
  }
  const label = releaseLabel(release);
  if (release.counter < orders.minimum)
    return refused(`${label} has counter ${release.counter}, below the minimum ${orders.minimum}`);
  const withdrawn = orders.withdrawn.find((each) => each.imageId === release.imageId);
  if (withdrawn) return refused(`${label} is withdrawn: ${withdrawn.reason}`);
  return {
    kind: "install",
    class: orders.class,
    release,
    minimum: orders.minimum,
    procedure,
    because: [`${label} is the site's committed release for class ${orders.class}`],
  };
}

/** Steps after which the disk may boot; until `write-loader` it does not. */
const order = ["partition", "write-slot", "write-site-config", "write-loader"] as const;

export type StepsAnswer =
  | {
      readonly kind: "steps";
      readonly partition: Extract<Procedure["steps"][number], { kind: "partition" }>;
      readonly reboots: boolean;
    }
  | { readonly kind: "refused"; readonly because: readonly string[] };

/**
 * Reads a procedure that installs a whole disk. Any other order than the one that leaves a cut install
 * unbootable is refused, because it could leave a disk that boots half a system.
 */
export function readSteps(procedure: Procedure, nodeClass: NodeClass): StepsAnswer {
  if (procedure.class !== nodeClass) {
    const because = [`the procedure is for class ${procedure.class}, not ${nodeClass}`];
    return { kind: "refused", because };
  }
  const kinds = procedure.steps.map((step) => step.kind);
  const writing = kinds.filter((kind) => kind !== "inventory" && kind !== "reboot");
  const rebootAt = kinds.indexOf("reboot");
  const isInOrder =
    writing.length === order.length && order.every((kind, i) => writing[i] === kind);
  const endsWell = rebootAt === -1 || rebootAt === kinds.length - 1;
  const partition = procedure.steps.find((step) => step.kind === "partition");
  if (!isInOrder || !endsWell || !partition) {
    const because = [`steps ${kinds.join(", ")} cannot install a disk safely`];
    return { kind: "refused", because };
  }
  return { kind: "steps", partition, reboots: rebootAt !== -1 };
}
