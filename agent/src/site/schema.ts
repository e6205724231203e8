// Tables of the site database. Every row names its site, so that many hollow sites can share one file.

export const schema = `
CREATE TABLE IF NOT EXISTS document (
  site TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (site, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
  site TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (site, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_place (
  site TEXT PRIMARY KEY, outbox_id TEXT NOT NULL, last_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claim (
  site TEXT NOT NULL, node TEXT NOT NULL, install_serial INTEGER NOT NULL,
  public_key TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (site, node, install_serial)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS call_counter (
  site TEXT NOT NULL, node TEXT NOT NULL, public_key TEXT NOT NULL, counter INTEGER NOT NULL,
  PRIMARY KEY (site, node, public_key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node_state (
  site TEXT NOT NULL, node TEXT NOT NULL, heard_at INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (site, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
  site TEXT NOT NULL, ip TEXT NOT NULL, holder TEXT NOT NULL, state TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (site, ip)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS installed (
  site TEXT NOT NULL, node TEXT NOT NULL, install_serial INTEGER NOT NULL,
  PRIMARY KEY (site, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wan_bytes (
  site TEXT NOT NULL, image TEXT NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (site, image)
) STRICT, WITHOUT ROWID;
`;
