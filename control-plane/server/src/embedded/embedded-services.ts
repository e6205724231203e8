// The data folder and both services as one thing: started in order, and on any failure or stop taken down
// in reverse, the lock last. Nothing runs on after a start that failed.
import type { Log } from "@drover/shared/log";
import { type DataFolder, openDataFolder } from "./data-folder.ts";
import { type EmbeddedNats, startEmbeddedNats } from "./nats.ts";
import type { NatsTrust } from "./nats-config.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./postgres.ts";
import type { ServiceEvent } from "./supervisor.ts";
import { openTlsAuthority, type TlsAuthority } from "./tls-authority.ts";

export interface EmbeddedServicesOptions {
  readonly dataFolder: string;
  /** The PATH to look for programs in. */
  readonly path: string;
  /** Names and addresses under which sites reach this server, for its certificate. */
  readonly names: readonly string[];
  /**
   * Makes or reads what nats-server is to believe. Called once the folder is ours and the database
   * runs: an account JWT that forgot the stored revocations would take them back.
   */
  readonly trust: (folder: DataFolder, databaseUrl: string) => Promise<NatsTrust>;
  /** Epoch ms, for certificates. */
  readonly now: number;
  readonly nats?: {
    readonly program?: string | undefined;
    readonly listenHost?: string;
    readonly port?: number | undefined;
  };
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ServiceEvent) => void;
}

export interface EmbeddedServices {
  readonly folder: DataFolder;
  readonly tls: TlsAuthority;
  readonly postgres: EmbeddedPostgres;
  readonly nats: EmbeddedNats;
  /** Call after everything that uses the services has ended. */
  stop(): Promise<void>;
}

/** @throws DataFolderError | EmbeddedError, one sentence each; nothing is left running */
export async function startEmbeddedServices(
  options: EmbeddedServicesOptions,
): Promise<EmbeddedServices> {
  const folder = openDataFolder(options.dataFolder);
  const undo: (() => Promise<void> | void)[] = [() => folder.release()];
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const tls = openTlsAuthority({
      folder: folder.part("tls"),
      names: options.names,
      now: options.now,
    });
    const postgres = await startEmbeddedPostgres({
      ...shared(options, folder),
      folder: folder.part("postgres"),
    });
    undo.push(() => postgres.stop());
    const trust = await options.trust(folder, postgres.url);
    const nats = await startEmbeddedNats({
      ...shared(options, folder),
      ...options.nats,
      folder: folder.part("nats"),
      cacheFolder: folder.part("cache"),
      serverName: "drover",
      trust,
      tls,
    });
    undo.push(() => nats.stop());
    return { folder, tls, postgres, nats, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function shared(options: EmbeddedServicesOptions, folder: DataFolder) {
  const { path, log, signal, onEvent } = options;
  return {
    path,
    log,
    logFolder: folder.part("log"),
    ...(signal === undefined ? {} : { signal }),
    ...(onEvent === undefined ? {} : { onEvent }),
  };
}
