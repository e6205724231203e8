CREATE SEQUENCE "public"."dirty_marks" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "events" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"site" text,
	"node" text,
	"rollout_id" text,
	"what" text NOT NULL,
	"because" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "node_counts" (
	"hollow" boolean NOT NULL,
	"image_id" text NOT NULL,
	"nodes" integer NOT NULL,
	CONSTRAINT "node_counts_hollow_image_id_pk" PRIMARY KEY("hollow","image_id")
);
--> statement-breakpoint
CREATE TABLE "node_state" (
	"node" text PRIMARY KEY NOT NULL,
	"site" text NOT NULL,
	"running" text,
	"slots" jsonb,
	"update" jsonb,
	"refusals" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"boot_id" text,
	"agent_version" text,
	"reported_at" bigint,
	"report_generation" bigint DEFAULT 0 NOT NULL,
	"state_ordinal" integer DEFAULT 0 NOT NULL,
	"state_seq" bigint DEFAULT 0 NOT NULL,
	"facts" jsonb,
	"facts_ordinal" integer DEFAULT 0 NOT NULL,
	"facts_seq" bigint DEFAULT 0 NOT NULL,
	"health" jsonb,
	"health_at" bigint,
	"health_ordinal" integer DEFAULT 0 NOT NULL,
	"health_seq" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outboxes" (
	"site" text NOT NULL,
	"outbox_id" text NOT NULL,
	"ordinal" integer NOT NULL,
	"up_to_seq" bigint NOT NULL,
	CONSTRAINT "outboxes_site_outbox_id_pk" PRIMARY KEY("site","outbox_id")
);
--> statement-breakpoint
CREATE TABLE "reports" (
	"site" text NOT NULL,
	"outbox_id" text NOT NULL,
	"seq" bigint NOT NULL,
	"at" bigint NOT NULL,
	"received_at" bigint NOT NULL,
	"kind" text NOT NULL,
	"node" text,
	"body" jsonb,
	"rejected" text,
	CONSTRAINT "reports_site_outbox_id_seq_pk" PRIMARY KEY("site","outbox_id","seq")
);
--> statement-breakpoint
CREATE TABLE "site_state" (
	"site" text PRIMARY KEY NOT NULL,
	"heard_at" bigint,
	"generation" bigint DEFAULT 0 NOT NULL,
	"backlog" integer DEFAULT 0 NOT NULL,
	"agent_version" text,
	"accepts" jsonb,
	"report" jsonb,
	"report_ordinal" integer DEFAULT 0 NOT NULL,
	"report_seq" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "unreadable" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"site" text NOT NULL,
	"received_at" bigint NOT NULL,
	"reason" text NOT NULL,
	"sample" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "classes" (
	"name" text PRIMARY KEY NOT NULL,
	"release" jsonb,
	"minimum" integer DEFAULT 0 NOT NULL,
	"withdrawn" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"sizes" jsonb NOT NULL,
	"procedure" jsonb,
	"procedure_serial" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "fleet" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"frozen" boolean DEFAULT false NOT NULL,
	"because" jsonb DEFAULT '[]'::jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "node_macs" (
	"mac" text PRIMARY KEY NOT NULL,
	"node" text NOT NULL,
	"position" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"id" text PRIMARY KEY NOT NULL,
	"site" text NOT NULL,
	"class" text,
	"hold" boolean DEFAULT false NOT NULL,
	"install_serial" integer DEFAULT 0 NOT NULL,
	"install_issued_at" bigint,
	"refusals_cleared" integer DEFAULT 0 NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "site_desired" (
	"site" text PRIMARY KEY NOT NULL,
	"generation" bigint DEFAULT 0 NOT NULL,
	"issued_at" bigint,
	"content" jsonb,
	"body" jsonb,
	"reported_generation" bigint DEFAULT 0 NOT NULL,
	"adopted_generation" bigint DEFAULT 0 NOT NULL,
	"dirty_seq" bigint DEFAULT 0 NOT NULL,
	"dirty_mark" bigint,
	"because" jsonb DEFAULT '[]'::jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "site_releases" (
	"site" text NOT NULL,
	"class" text NOT NULL,
	"release" jsonb NOT NULL,
	CONSTRAINT "site_releases_site_class_pk" PRIMARY KEY("site","class")
);
--> statement-breakpoint
CREATE TABLE "sites" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"region" text NOT NULL,
	"latitude" double precision,
	"longitude" double precision,
	"time_zone" text NOT NULL,
	"labels" jsonb NOT NULL,
	"class" text NOT NULL,
	"pair" text,
	"hollow" boolean NOT NULL,
	"status" text NOT NULL,
	"policy" jsonb NOT NULL,
	"nkey" text,
	"enrolled_at" bigint,
	"created_at" bigint NOT NULL,
	CONSTRAINT "sites_nkey_unique" UNIQUE("nkey")
);
--> statement-breakpoint
CREATE TABLE "credentials" (
	"hash" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"person" text NOT NULL,
	"label" text NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "enrolment_tokens" (
	"site" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"expires_at" bigint NOT NULL,
	"used_by" text,
	CONSTRAINT "enrolment_tokens_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "people" (
	"name" text PRIMARY KEY NOT NULL,
	"roles" text[] NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "revocations" (
	"nkey" text PRIMARY KEY NOT NULL,
	"site" text NOT NULL,
	"revoked_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "build_log" (
	"build" text NOT NULL,
	"line" integer NOT NULL,
	"text" text NOT NULL,
	CONSTRAINT "build_log_build_line_pk" PRIMARY KEY("build","line")
);
--> statement-breakpoint
CREATE TABLE "builds" (
	"id" text PRIMARY KEY NOT NULL,
	"recipe" text NOT NULL,
	"state" text NOT NULL,
	"progress" text DEFAULT '' NOT NULL,
	"image_id" text,
	"created_at" bigint NOT NULL,
	"created_by" text NOT NULL,
	"started_at" bigint,
	"ended_at" bigint,
	"because" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"cancel_requested" boolean DEFAULT false NOT NULL,
	"holder" text,
	"held_until" bigint,
	"attempt" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "channels" (
	"name" text PRIMARY KEY NOT NULL,
	"version" integer NOT NULL,
	"metadata" text NOT NULL,
	"sha256" text NOT NULL,
	"published_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "images" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"architecture" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"manifest" jsonb NOT NULL,
	"manifest_bytes" integer NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "releases" (
	"channel" text NOT NULL,
	"name" text NOT NULL,
	"semver" text NOT NULL,
	"counter" bigint NOT NULL,
	"image_id" text NOT NULL,
	"minimum" integer NOT NULL,
	"step" boolean NOT NULL,
	"withdrawn" text,
	CONSTRAINT "releases_channel_name_semver_pk" PRIMARY KEY("channel","name","semver")
);
--> statement-breakpoint
CREATE TABLE "roots" (
	"version" integer PRIMARY KEY NOT NULL,
	"metadata" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "grants" (
	"id" text NOT NULL,
	"rollout_id" text NOT NULL,
	"rollout_epoch" integer NOT NULL,
	"site" text NOT NULL,
	"node" text NOT NULL,
	"nonce" text NOT NULL,
	"image_id" text NOT NULL,
	"granted_at" bigint NOT NULL,
	"first_granted_at" bigint NOT NULL,
	"renewals" integer DEFAULT 0 NOT NULL,
	"armed" boolean DEFAULT false NOT NULL,
	"armed_at" bigint,
	"outcome" text,
	"outcome_at" bigint,
	CONSTRAINT "grants_rollout_id_node_pk" PRIMARY KEY("rollout_id","node")
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"term" integer NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"site" text NOT NULL,
	"body" jsonb NOT NULL,
	"published_at" bigint
);
--> statement-breakpoint
CREATE TABLE "rollout_sites" (
	"rollout_id" text NOT NULL,
	"site" text NOT NULL,
	"wave" integer NOT NULL,
	"stratum" text NOT NULL,
	"excluded" boolean DEFAULT false NOT NULL,
	"before" jsonb NOT NULL,
	"state" text NOT NULL,
	"since" bigint NOT NULL,
	"because" jsonb DEFAULT '[]'::jsonb NOT NULL,
	CONSTRAINT "rollout_sites_rollout_id_site_pk" PRIMARY KEY("rollout_id","site")
);
--> statement-breakpoint
CREATE TABLE "rollouts" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" bigint NOT NULL,
	"created_by" text DEFAULT '' NOT NULL,
	"reason" text DEFAULT '' NOT NULL,
	"policy" jsonb NOT NULL,
	"selection" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"releases" jsonb NOT NULL,
	"wave_count" integer NOT NULL,
	"state" jsonb NOT NULL,
	"phase" text NOT NULL,
	"rollout_epoch" integer NOT NULL,
	"version" integer NOT NULL,
	"accepted_failed" integer DEFAULT 0 NOT NULL,
	"accepted_silent" integer DEFAULT 0 NOT NULL,
	"rolls_back" text,
	"plan" jsonb,
	"because" jsonb DEFAULT '[]'::jsonb NOT NULL
);
--> statement-breakpoint
ALTER TABLE "node_macs" ADD CONSTRAINT "node_macs_node_nodes_id_fk" FOREIGN KEY ("node") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "nodes" ADD CONSTRAINT "nodes_site_sites_id_fk" FOREIGN KEY ("site") REFERENCES "public"."sites"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "events_site_id_index" ON "events" USING btree ("site","id");--> statement-breakpoint
CREATE INDEX "events_node_id_index" ON "events" USING btree ("node","id");--> statement-breakpoint
CREATE INDEX "events_rollout_id_id_index" ON "events" USING btree ("rollout_id","id");--> statement-breakpoint
CREATE INDEX "node_state_site_index" ON "node_state" USING btree ("site");--> statement-breakpoint
CREATE INDEX "reports_node_received_at_index" ON "reports" USING btree ("node","received_at");--> statement-breakpoint
CREATE INDEX "node_macs_node_index" ON "node_macs" USING btree ("node");--> statement-breakpoint
CREATE INDEX "nodes_site_index" ON "nodes" USING btree ("site");--> statement-breakpoint
CREATE INDEX "site_desired_dirty_mark_index" ON "site_desired" USING btree ("dirty_mark");--> statement-breakpoint
CREATE INDEX "site_desired_issued_at_index" ON "site_desired" USING btree ("issued_at");--> statement-breakpoint
CREATE INDEX "sites_region_index" ON "sites" USING btree ("region");--> statement-breakpoint
CREATE INDEX "credentials_expires_at_index" ON "credentials" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "builds_state_index" ON "builds" USING btree ("state");--> statement-breakpoint
CREATE INDEX "releases_image_id_index" ON "releases" USING btree ("image_id");--> statement-breakpoint
CREATE INDEX "grants_node_index" ON "grants" USING btree ("node");--> statement-breakpoint
CREATE INDEX "grants_open" ON "grants" USING btree ("site") WHERE "grants"."outcome" is null;--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "outbox" USING btree ("id") WHERE "outbox"."published_at" is null;--> statement-breakpoint
CREATE INDEX "outbox_site_index" ON "outbox" USING btree ("site");--> statement-breakpoint
CREATE INDEX "rollout_sites_site_index" ON "rollout_sites" USING btree ("site");--> statement-breakpoint
CREATE INDEX "rollouts_phase_index" ON "rollouts" USING btree ("phase");--> statement-breakpoint
CREATE INDEX "rollouts_rolls_back_index" ON "rollouts" USING btree ("rolls_back");