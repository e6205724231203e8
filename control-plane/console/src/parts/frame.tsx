// What surrounds every page: the name, the state of the event line, and a warning across the page
// while that line is down, because an old number that looks current is worse than none.
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { useEffect } from "react";
import { openLive, useLine } from "../live.ts";
import { clock } from "./words.ts";

export function Frame() {
  const queries = useQueryClient();
  const isLogin = useLocation({ select: ({ pathname }) => pathname === "/login" });
  useEffect(() => (isLogin ? undefined : openLive(queries)), [queries, isLogin]);
  return (
    <>
      <nav>
        <Link to="/">Drover</Link>
        {!isLogin && <LineChip />}
      </nav>
      {!isLogin && <LineWarning />}
      <main>
        <Outlet />
      </main>
    </>
  );
}

function LineChip() {
  const { state } = useLine();
  const words = { live: "live", broken: "not live", connecting: "connecting" } as const;
  return (
    <span className={`line ${state}`} role="status">
      {words[state]}
    </span>
  );
}

function LineWarning() {
  const { state, since } = useLine();
  if (state !== "broken") return null;
  return (
    <p className="banner" role="alert">
      Not live since {clock(since)} UTC: what you see may be old. Reconnecting. Rollouts go on
      without this page; halt from a server with <code>drover halt --all</code>.
    </p>
  );
}
