// The console's composition root: queries, routes and the live line.
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { CallFailedError } from "./api.ts";
import { FleetPage } from "./pages/fleet-page.tsx";
import { LoginPage } from "./pages/login-page.tsx";
import { RolloutPage } from "./pages/rollout-page.tsx";
import { Frame } from "./parts/frame.tsx";
import "./style.css";

const queries = new QueryClient({
  queryCache: new QueryCache({
    onError(error) {
      const unknown = error instanceof CallFailedError && error.status === 401;
      if (unknown && window.location.pathname !== "/login") window.location.assign("/login");
    },
  }),
  // Polling is the safety net under the event line.
  defaultOptions: { queries: { retry: 1, refetchInterval: 15_000, staleTime: 500 } },
});

const root = createRootRoute({ component: Frame });
const routes = [
  createRoute({ getParentRoute: () => root, path: "/", component: FleetPage }),
  createRoute({ getParentRoute: () => root, path: "/login", component: LoginPage }),
  createRoute({ getParentRoute: () => root, path: "/rollouts/$rollout", component: RolloutPage }),
];
const router = createRouter({ routeTree: root.addChildren(routes) });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

const element = document.getElementById("root");
if (element) {
  createRoot(element).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
